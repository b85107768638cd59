// Sum of paths weighted by one gate an image and path, and its gradient. Both go through an image in chunks that stay in
// the first cache, whatever the number of paths.
import { laneSum, madd, storeLanes, zero } from "./simd";

const CHUNK: i32 = 2048;

/** out [images, size] = sum of gates [images, paths] times the tensors whose addresses are in `paths` [count]. */
export function gatedSum(gates: usize, paths: usize, count: i32, out: usize, images: i32, size: i32): void {
  for (let b = 0; b < images; b++) {
    const image = <usize>b * <usize>size << 2;
    for (let start = 0; start < size; start += CHUNK) {
      const end = min(size, start + CHUNK);
      let k = 0;
      while (k < count) {
        const gate = gates + (<usize>(b * count + k) << 2);
        const path = paths + (<usize>k << 2);
        if (count - k >= 3) {
          sumThree(gate, path, image, out + image, start, end, k > 0);
          k += 3;
        } else {
          sumOne(gate, path, image, out + image, start, end, k > 0);
          k++;
        }
      }
    }
  }
}

function sumThree(gates: usize, paths: usize, image: usize, to: usize, start: i32, end: i32, add: bool): void {
  const g0 = v128.load32_splat(gates);
  const g1 = v128.load32_splat(gates, 4);
  const g2 = v128.load32_splat(gates, 8);
  const x0 = <usize>load<u32>(paths) + image;
  const x1 = <usize>load<u32>(paths, 4) + image;
  const x2 = <usize>load<u32>(paths, 8) + image;
  for (let i = start; i < end; i += 4) {
    const o = <usize>i << 2;
    const low = madd(g1, v128.load(x1 + o), f32x4.mul(g0, v128.load(x0 + o)));
    let sum = madd(g2, v128.load(x2 + o), low);
    if (add) sum = f32x4.add(sum, v128.load(to + o));
    storeLanes(to + o, sum, end - i);
  }
}

function sumOne(gates: usize, paths: usize, image: usize, to: usize, start: i32, end: i32, add: bool): void {
  const gate = v128.load32_splat(gates);
  const x = <usize>load<u32>(paths) + image;
  for (let i = start; i < end; i += 4) {
    const o = <usize>i << 2;
    let sum = f32x4.mul(gate, v128.load(x + o));
    if (add) sum = f32x4.add(sum, v128.load(to + o));
    storeLanes(to + o, sum, end - i);
  }
}

/** dgates [images, paths] and, at the addresses in `dpaths`, the gradient of each path. */
export function gatedSumGrad(
  dy: usize,
  gates: usize,
  paths: usize,
  dpaths: usize,
  count: i32,
  dgates: usize,
  images: i32,
  size: i32,
): void {
  for (let b = 0; b < images; b++) {
    const image = <usize>b * <usize>size << 2;
    const own = <usize>(b * count) << 2;
    memory.fill(dgates + own, 0, <usize>count << 2);
    for (let start = 0; start < size; start += CHUNK) {
      const end = min(size, start + CHUNK);
      for (let k = 0; k < count; k++) {
        const gate = f32x4.splat(load<f32>(gates + own + (k << 2)));
        const from = <usize>load<u32>(paths + (k << 2)) + image;
        const to = <usize>load<u32>(dpaths + (k << 2)) + image;
        const source = dy + image;
        let low = zero(), high = zero();
        let i = start;
        for (; i + 8 <= end; i += 8) {
          const o = <usize>i << 2;
          const d0 = v128.load(source + o), d1 = v128.load(source + o, 16);
          v128.store(to + o, f32x4.mul(gate, d0));
          v128.store(to + o, f32x4.mul(gate, d1), 16);
          low = madd(d0, v128.load(from + o), low);
          high = madd(d1, v128.load(from + o, 16), high);
        }
        let sum = laneSum(f32x4.add(low, high));
        for (; i < end; i++) {
          const o = <usize>i << 2;
          const d = load<f32>(source + o);
          store<f32>(to + o, load<f32>(gates + own + (k << 2)) * d);
          sum += d * load<f32>(from + o);
        }
        store<f32>(dgates + own + (k << 2), load<f32>(dgates + own + (k << 2)) + sum);
      }
    }
  }
}
