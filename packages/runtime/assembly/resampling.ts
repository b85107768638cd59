// Bilinear resizing with half-pixel centres and adaptive average pooling, with their gradients, NHWC. Where a cell's values go
// to several others, the gradient adds to each; a channel vector is the unit of work.
import { madd, storeLanes } from "./simd";

/** to[0..channels] += weight * from[0..channels]; what lies behind the last channel is left alone. */
// @ts-ignore: decorator
@inline
function accumulate(from: usize, to: usize, weight: f32, channels: i32): void {
  const w = f32x4.splat(weight);
  let c = 0;
  for (; c + 4 <= channels; c += 4) {
    const o = <usize>c << 2;
    v128.store(to + o, madd(w, v128.load(from + o), v128.load(to + o)));
  }
  for (; c < channels; c++) {
    const o = <usize>c << 2;
    store<f32>(to + o, load<f32>(to + o) + weight * load<f32>(from + o));
  }
}

/** Where output cell i of `to` looks in a line of `from` cells. */
// @ts-ignore: decorator
@inline
function position(i: i32, from: i32, to: i32): f32 {
  return max(<f32>0, ((<f32>i + 0.5) * <f32>from) / <f32>to - 0.5);
}

/** out [images, toH, toW, channels] from x [images, fromH, fromW, channels]. */
export function resizeBilinear(
  x: usize,
  out: usize,
  images: i32,
  fromH: i32,
  fromW: i32,
  toH: i32,
  toW: i32,
  channels: i32,
): void {
  const cell = <usize>channels << 2;
  for (let b = 0; b < images; b++) {
    for (let i = 0; i < toH; i++) {
      const y = position(i, fromH, toH);
      const y0 = min(<i32>y, fromH - 1), y1 = min(y0 + 1, fromH - 1);
      const ty = y - <f32>y0;
      const top = x + <usize>((b * fromH + y0) * fromW) * cell;
      const bottom = x + <usize>((b * fromH + y1) * fromW) * cell;
      for (let j = 0; j < toW; j++) {
        const at = position(j, fromW, toW);
        const x0 = min(<i32>at, fromW - 1), x1 = min(x0 + 1, fromW - 1);
        const tx = at - <f32>x0;
        const to = out + <usize>((b * toH + i) * toW + j) * cell;
        const w00 = f32x4.splat((1 - ty) * (1 - tx)), w01 = f32x4.splat((1 - ty) * tx);
        const w10 = f32x4.splat(ty * (1 - tx)), w11 = f32x4.splat(ty * tx);
        const a00 = top + <usize>x0 * cell, a01 = top + <usize>x1 * cell;
        const a10 = bottom + <usize>x0 * cell, a11 = bottom + <usize>x1 * cell;
        for (let c = 0; c < channels; c += 4) {
          const o = <usize>c << 2;
          const upper = madd(w01, v128.load(a01 + o), f32x4.mul(w00, v128.load(a00 + o)));
          storeLanes(to + o, madd(w11, v128.load(a11 + o), madd(w10, v128.load(a10 + o), upper)), channels - c);
        }
      }
    }
  }
}

/** dx [images, fromH, fromW, channels], which is cleared first, from dy [images, toH, toW, channels]. */
export function resizeBilinearGrad(
  dy: usize,
  dx: usize,
  images: i32,
  fromH: i32,
  fromW: i32,
  toH: i32,
  toW: i32,
  channels: i32,
): void {
  const cell = <usize>channels << 2;
  memory.fill(dx, 0, <usize>(images * fromH * fromW) * cell);
  for (let b = 0; b < images; b++) {
    for (let i = 0; i < toH; i++) {
      const y = position(i, fromH, toH);
      const y0 = min(<i32>y, fromH - 1), y1 = min(y0 + 1, fromH - 1);
      const ty = y - <f32>y0;
      const top = dx + <usize>((b * fromH + y0) * fromW) * cell;
      const bottom = dx + <usize>((b * fromH + y1) * fromW) * cell;
      for (let j = 0; j < toW; j++) {
        const at = position(j, fromW, toW);
        const x0 = min(<i32>at, fromW - 1), x1 = min(x0 + 1, fromW - 1);
        const tx = at - <f32>x0;
        const from = dy + <usize>((b * toH + i) * toW + j) * cell;
        accumulate(from, top + <usize>x0 * cell, (1 - ty) * (1 - tx), channels);
        accumulate(from, top + <usize>x1 * cell, (1 - ty) * tx, channels);
        accumulate(from, bottom + <usize>x0 * cell, ty * (1 - tx), channels);
        accumulate(from, bottom + <usize>x1 * cell, ty * tx, channels);
      }
    }
  }
}

/** Bin i of n covers the cells floor(i * size / n) .. ceil((i + 1) * size / n) - 1. */
// @ts-ignore: decorator
@inline
function binEnd(i: i32, size: i32, n: i32): i32 {
  return ((i + 1) * size + n - 1) / n;
}

/** Pools x [images, height, width, channels] to out [images, n * n, channels], or spreads a gradient back (`backward`). */
export function adaptivePool(
  x: usize,
  out: usize,
  images: i32,
  height: i32,
  width: i32,
  channels: i32,
  n: i32,
  backward: bool,
): void {
  const cell = <usize>channels << 2;
  if (backward) memory.fill(x, 0, <usize>(images * height * width) * cell);
  else memory.fill(out, 0, <usize>(images * n * n) * cell);
  for (let b = 0; b < images; b++) {
    for (let i = 0; i < n; i++) {
      const y0 = (i * height) / n, y1 = binEnd(i, height, n);
      for (let j = 0; j < n; j++) {
        const x0 = (j * width) / n, x1 = binEnd(j, width, n);
        const bin = out + <usize>((b * n + i) * n + j) * cell;
        const weight = <f32>1 / <f32>((y1 - y0) * (x1 - x0));
        for (let y = y0; y < y1; y++) {
          for (let at = x0; at < x1; at++) {
            const map = x + <usize>((b * height + y) * width + at) * cell;
            if (backward) accumulate(bin, map, weight, channels);
            else accumulate(map, bin, weight, channels);
          }
        }
      }
    }
  }
}
