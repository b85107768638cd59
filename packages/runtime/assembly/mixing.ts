// Weighted sums of two tensors, for moving averages.
import { madd, storeLanes } from "./simd";

/** out = weightOfA a + weightOfB b. */
export function mix(a: usize, b: usize, out: usize, size: i32, weightOfA: f32, weightOfB: f32): void {
  const wa = f32x4.splat(weightOfA);
  const wb = f32x4.splat(weightOfB);
  for (let i = 0; i < size; i += 4) {
    const o = <usize>i << 2;
    storeLanes(out + o, madd(wa, v128.load(a + o), f32x4.mul(wb, v128.load(b + o))), size - i);
  }
}
