// The gradient of a bilinear resize, and adaptive average pooling with its gradient, over NHWC. The resize itself is tfjs's:
// it is faster than ours was. Output position i reads the input at i * scale + offset, clamped to its first and last cell;
// which scale and offset (half-pixel centres, aligned corners) is decided outside.
import { madd, storeLanes, zero } from "./simd";

// @ts-ignore: decorator
@inline
function position(index: i32, scale: f64, offset: f64, size: i32): f64 {
  return max(0, min(<f64>(size - 1), <f64>index * scale + offset));
}

/** dx [batch, inHeight, inWidth, channels]: every output pixel gives its dy to the four that it came from. */
export function resizeBilinearGrad(
  dy: usize,
  dx: usize,
  batch: i32,
  inHeight: i32,
  inWidth: i32,
  channels: i32,
  outHeight: i32,
  outWidth: i32,
  scaleY: f64,
  offsetY: f64,
  scaleX: f64,
  offsetX: f64,
): void {
  const step = <usize>channels << 2;
  const rowBytes = <usize>inWidth * step;
  memory.fill(dx, 0, <usize>batch * <usize>inHeight * rowBytes);
  for (let b = 0; b < batch; b++) {
    for (let oy = 0; oy < outHeight; oy++) {
      const atY = position(oy, scaleY, offsetY, inHeight);
      const top = <i32>atY;
      const fy = <f32>(atY - <f64>top);
      const above = dx + <usize>top * rowBytes;
      const below = above + rowBytes;
      for (let ox = 0; ox < outWidth; ox++) {
        const atX = position(ox, scaleX, offsetX, inWidth);
        const left = <i32>atX;
        const fx = <f32>(atX - <f64>left);
        const o0 = <usize>left * step;
        give(above + o0, dy, (1 - fy) * (1 - fx), channels);
        if (fx > 0) give(above + o0 + step, dy, (1 - fy) * fx, channels);
        if (fy > 0) {
          give(below + o0, dy, fy * (1 - fx), channels);
          if (fx > 0) give(below + o0 + step, dy, fy * fx, channels);
        }
        dy += step;
      }
    }
    dx += <usize>inHeight * rowBytes;
  }
}

// @ts-ignore: decorator
@inline
function give(to: usize, from: usize, weight: f32, channels: i32): void {
  const w = f32x4.splat(weight);
  for (let c = 0; c < channels; c += 4) {
    const o = <usize>c << 2;
    storeLanes(to + o, madd(w, v128.load(from + o), v128.load(to + o)), channels - c);
  }
}

/** Bin i of n covers the cells floor(i size / n) .. ceil((i + 1) size / n) - 1: PyTorch's adaptive average pooling. */
export function adaptivePool(
  x: usize,
  y: usize,
  batch: i32,
  height: i32,
  width: i32,
  channels: i32,
  bins: i32,
): void {
  const step = <usize>channels << 2;
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < bins; i++) {
      const y0 = (i * height) / bins, y1 = ((i + 1) * height + bins - 1) / bins;
      for (let j = 0; j < bins; j++) {
        const x0 = (j * width) / bins, x1 = ((j + 1) * width + bins - 1) / bins;
        const weight = f32x4.splat(<f32>(1 / <f64>((y1 - y0) * (x1 - x0))));
        for (let c = 0; c < channels; c += 4) {
          let sum = zero();
          for (let iy = y0; iy < y1; iy++) {
            let row = zero();
            let at = x + <usize>(iy * width + x0) * step + (<usize>c << 2);
            for (let ix = x0; ix < x1; ix++) {
              row = f32x4.add(row, v128.load(at));
              at += step;
            }
            sum = f32x4.add(sum, row);
          }
          storeLanes(y + (<usize>c << 2), f32x4.mul(sum, weight), channels - c);
        }
        y += step;
      }
    }
    x += <usize>(height * width) * step;
  }
}

/** Bins may overlap, so they add to dx [batch, height, width, channels]. */
export function adaptivePoolGrad(
  dy: usize,
  dx: usize,
  batch: i32,
  height: i32,
  width: i32,
  channels: i32,
  bins: i32,
): void {
  const step = <usize>channels << 2;
  memory.fill(dx, 0, <usize>(batch * height * width) * step);
  for (let b = 0; b < batch; b++) {
    for (let i = 0; i < bins; i++) {
      const y0 = (i * height) / bins, y1 = ((i + 1) * height + bins - 1) / bins;
      for (let j = 0; j < bins; j++) {
        const x0 = (j * width) / bins, x1 = ((j + 1) * width + bins - 1) / bins;
        const weight = <f32>(1 / <f64>((y1 - y0) * (x1 - x0)));
        for (let iy = y0; iy < y1; iy++) {
          for (let ix = x0; ix < x1; ix++) give(dx + <usize>(iy * width + ix) * step, dy, weight, channels);
        }
        dy += step;
      }
    }
    dx += <usize>(height * width) * step;
  }
}
