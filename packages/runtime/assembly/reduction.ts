// Sums along one axis of x [outer, rows, channels]: over rows for each channel, or, where channels is 1, over contiguous
// rows. float32 within a chunk, float64 across chunks.
import { gather, paddedChannels } from "./channels";
import { zero } from "./simd";

const CHUNK: i32 = 256;

export function columnSumsScratch(channels: i32): i32 {
  return paddedChannels(channels) << 3;
}

/** out [outer, channels] = factor times the sum over rows. */
export function columnSums(
  x: usize,
  outer: i32,
  rows: i32,
  channels: i32,
  out: usize,
  factor: f64,
  scratch: usize,
): void {
  const step = <usize>channels << 2;
  for (let b = 0; b < outer; b++) {
    memory.fill(scratch, 0, <usize>paddedChannels(channels) << 3);
    for (let start = 0; start < rows; start += CHUNK) {
      const end = min(rows, start + CHUNK);
      const from = x + <usize>start * step;
      let c = 0;
      for (; c + 16 <= channels; c += 16) {
        let s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
        let at = from + (<usize>c << 2);
        for (let r = start; r < end; r++) {
          s0 = f32x4.add(s0, v128.load(at));
          s1 = f32x4.add(s1, v128.load(at, 16));
          s2 = f32x4.add(s2, v128.load(at, 32));
          s3 = f32x4.add(s3, v128.load(at, 48));
          at += step;
        }
        const to = scratch + (<usize>c << 3);
        gather(to, s0);
        gather(to + 32, s1);
        gather(to + 64, s2);
        gather(to + 96, s3);
      }
      for (; c < channels; c += 4) {
        let s0 = zero();
        let at = from + (<usize>c << 2);
        for (let r = start; r < end; r++) {
          s0 = f32x4.add(s0, v128.load(at));
          at += step;
        }
        gather(scratch + (<usize>c << 3), s0);
      }
    }
    for (let c = 0; c < channels; c++) {
      store<f32>(out + (<usize>c << 2), <f32>(load<f64>(scratch + (<usize>c << 3)) * factor));
    }
    x += <usize>rows * step;
    out += step;
  }
}

/** out [rows] = factor times the sum of each row of x [rows, size]. */
export function rowSums(x: usize, rows: i32, size: i32, out: usize, factor: f64): void {
  for (let r = 0; r < rows; r++) {
    let total: f64 = 0;
    let i = 0;
    while (i + 16 <= size) {
      const end = min(size, i + 16 * CHUNK);
      let s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
      for (; i + 16 <= end; i += 16) {
        const at = x + (<usize>i << 2);
        s0 = f32x4.add(s0, v128.load(at));
        s1 = f32x4.add(s1, v128.load(at, 16));
        s2 = f32x4.add(s2, v128.load(at, 32));
        s3 = f32x4.add(s3, v128.load(at, 48));
      }
      const sum = f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3));
      total += <f64>f32x4.extract_lane(sum, 0) + <f64>f32x4.extract_lane(sum, 1);
      total += <f64>f32x4.extract_lane(sum, 2) + <f64>f32x4.extract_lane(sum, 3);
    }
    for (; i < size; i++) total += <f64>load<f32>(x + (<usize>i << 2));
    store<f32>(out + (<usize>r << 2), <f32>(total * factor));
    x += <usize>size << 2;
  }
}
