// What passes over channels share: float64 sums of float32 vectors, and the bias and activation behind a convolution.
import { storeLanes, zero } from "./simd";

/** Channels rounded up to a vector. */
// @ts-ignore: decorator
@inline
export function paddedChannels(channels: i32): i32 {
  return (channels + 3) & ~3;
}

/** Adds four float32 to four float64. */
// @ts-ignore: decorator
@inline
export function gather(to: usize, v: v128): void {
  v128.store(to, f64x2.add(v128.load(to), f64x2.promote_low_f32x4(v)));
  const high = v128.shuffle<f32>(v, v, 2, 3, 2, 3);
  v128.store(to, f64x2.add(v128.load(to, 16), f64x2.promote_low_f32x4(high)), 16);
}

/** y [rows, channels] = min(max(y + bias, floor), ceiling), in place; `bias` 0 means none. */
export function biasAndClamp(y: usize, bias: usize, rows: i32, channels: i32, floor: f32, ceiling: f32): void {
  const low = f32x4.splat(floor);
  const high = f32x4.splat(ceiling);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < channels; c += 4) {
      const o = <usize>c << 2;
      const v = f32x4.add(v128.load(y + o), bias ? v128.load(bias + o) : zero());
      storeLanes(y + o, f32x4.pmin(f32x4.pmax(v, low), high), channels - c);
    }
    y += <usize>channels << 2;
  }
}
