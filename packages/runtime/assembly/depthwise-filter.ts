// Gradient of a depthwise filter over NHWC, multiplier 1. For 3×3 the nine sums of four channels stay in registers over a
// strip of rows that fits the cache; other sizes go tap by tap. Strips add to the result, which shortens the float32 sums.
import { Geometry } from "./geometry";
import { madd, storeLanes, zero } from "./simd";

/** Bytes of one strip of x. */
const STRIP_BYTES: i32 = 131072;

/** Sixteen bytes of zeros, then nine sums of four channels. */
export const DEPTHWISE_FILTER_SCRATCH: i32 = 16 + 9 * 16;

export function depthwiseBackpropFilter(g: Geometry, x: usize, dy: usize, dfilter: usize, scratch: usize): void {
  const step = <usize>g.inChannels << 2;
  memory.fill(dfilter, 0, <usize>(g.filterHeight * g.filterWidth) * step);
  memory.fill(scratch, 0, 16);
  const three = g.filterHeight == 3 && g.filterWidth == 3;
  const sliding = three && g.strideHeight == 1 && g.strideWidth == 1;
  const strip = max(1, STRIP_BYTES / max(1, g.inWidth * g.inChannels * 4 * g.strideHeight));
  for (let b = 0; b < g.batch; b++) {
    const image = x + <usize>(b * g.inHeight * g.inWidth) * step;
    const gradient = dy + <usize>(b * g.outHeight * g.outWidth) * step;
    for (let start = 0; start < g.outHeight; start += strip) {
      const end = min(g.outHeight, start + strip);
      for (let c = 0; c < g.inChannels; c += 4) {
        const o = <usize>c << 2;
        if (sliding) slideStrip(g, image + o, gradient + o, start, end, scratch);
        else if (three) threeStrip(g, image + o, gradient + o, start, end, scratch);
        if (three) addSums(dfilter + o, step, scratch + 16, g.inChannels - c);
        else anyStrip(g, image + o, gradient + o, dfilter + o, start, end, g.inChannels - c);
      }
    }
  }
}

function addSums(to: usize, step: usize, sums: usize, lanes: i32): void {
  for (let tap = 0; tap < 9; tap++) {
    storeLanes(to, f32x4.add(v128.load(to), v128.load(sums)), lanes);
    to += step;
    sums += 16;
  }
}

function slideStrip(g: Geometry, image: usize, gradient: usize, start: i32, end: i32, scratch: usize): void {
  const step = <usize>g.inChannels << 2;
  const rowBytes = <usize>g.inWidth * step;
  const skipped = <usize>max(0, -g.padLeft) * step;
  let s00 = zero(), s01 = zero(), s02 = zero();
  let s10 = zero(), s11 = zero(), s12 = zero();
  let s20 = zero(), s21 = zero(), s22 = zero();
  for (let oy = start; oy < end; oy++) {
    const iy = oy - g.padTop;
    const in0 = <u32>iy < <u32>g.inHeight;
    const in1 = <u32>(iy + 1) < <u32>g.inHeight;
    const in2 = <u32>(iy + 2) < <u32>g.inHeight;
    const row = image + <usize>(iy * g.inWidth) * step + skipped;
    let r0 = in0 ? row : scratch;
    let r1 = in1 ? row + rowBytes : scratch;
    let r2 = in2 ? row + 2 * rowBytes : scratch;
    const step0 = in0 ? step : 0;
    const step1 = in1 ? step : 0;
    const step2 = in2 ? step : 0;
    let from = gradient + <usize>(oy * g.outWidth) * step;
    let d1 = zero(), d2 = zero();
    let ix = -g.padLeft;
    for (let t = 0; t < g.outWidth + 2; t++) {
      const d0 = v128.load(t < g.outWidth ? from : scratch);
      from += step;
      if (<u32>ix < <u32>g.inWidth) {
        const v0 = v128.load(r0);
        s00 = madd(v0, d0, s00);
        s01 = madd(v0, d1, s01);
        s02 = madd(v0, d2, s02);
        const v1 = v128.load(r1);
        s10 = madd(v1, d0, s10);
        s11 = madd(v1, d1, s11);
        s12 = madd(v1, d2, s12);
        const v2 = v128.load(r2);
        s20 = madd(v2, d0, s20);
        s21 = madd(v2, d1, s21);
        s22 = madd(v2, d2, s22);
        r0 += step0;
        r1 += step1;
        r2 += step2;
      }
      ix++;
      d2 = d1;
      d1 = d0;
    }
  }
  storeSums(scratch + 16, s00, s01, s02, s10, s11, s12, s20, s21, s22);
}

// @ts-ignore: decorator
@inline
function storeSums(
  to: usize,
  s00: v128,
  s01: v128,
  s02: v128,
  s10: v128,
  s11: v128,
  s12: v128,
  s20: v128,
  s21: v128,
  s22: v128,
): void {
  v128.store(to, s00);
  v128.store(to, s01, 16);
  v128.store(to, s02, 32);
  v128.store(to, s10, 48);
  v128.store(to, s11, 64);
  v128.store(to, s12, 80);
  v128.store(to, s20, 96);
  v128.store(to, s21, 112);
  v128.store(to, s22, 128);
}

/** Any stride: what lies in the padding is read from the zeros. */
function threeStrip(g: Geometry, image: usize, gradient: usize, start: i32, end: i32, zeros: usize): void {
  const step = <usize>g.inChannels << 2;
  const rowBytes = <usize>g.inWidth * step;
  let s00 = zero(), s01 = zero(), s02 = zero();
  let s10 = zero(), s11 = zero(), s12 = zero();
  let s20 = zero(), s21 = zero(), s22 = zero();
  for (let oy = start; oy < end; oy++) {
    const iy = oy * g.strideHeight - g.padTop;
    const in0 = <u32>iy < <u32>g.inHeight;
    const in1 = <u32>(iy + 1) < <u32>g.inHeight;
    const in2 = <u32>(iy + 2) < <u32>g.inHeight;
    const row = image + <usize>(iy * g.inWidth) * step;
    const r0 = in0 ? row : zeros;
    const r1 = in1 ? row + rowBytes : zeros;
    const r2 = in2 ? row + 2 * rowBytes : zeros;
    let from = gradient + <usize>(oy * g.outWidth) * step;
    let ix = -g.padLeft;
    for (let ox = 0; ox < g.outWidth; ox++) {
      const d = v128.load(from);
      from += step;
      for (let tx = 0; tx < 3; tx++) {
        const inside = <u32>(ix + tx) < <u32>g.inWidth;
        const o = <usize>(ix + tx) * step;
        const v0 = v128.load(inside && in0 ? r0 + o : zeros);
        const v1 = v128.load(inside && in1 ? r1 + o : zeros);
        const v2 = v128.load(inside && in2 ? r2 + o : zeros);
        if (tx == 0) {
          s00 = madd(v0, d, s00);
          s10 = madd(v1, d, s10);
          s20 = madd(v2, d, s20);
        } else if (tx == 1) {
          s01 = madd(v0, d, s01);
          s11 = madd(v1, d, s11);
          s21 = madd(v2, d, s21);
        } else {
          s02 = madd(v0, d, s02);
          s12 = madd(v1, d, s12);
          s22 = madd(v2, d, s22);
        }
      }
      ix += g.strideWidth;
    }
  }
  storeSums(zeros + 16, s00, s01, s02, s10, s11, s12, s20, s21, s22);
}

function anyStrip(
  g: Geometry,
  image: usize,
  gradient: usize,
  dfilter: usize,
  start: i32,
  end: i32,
  lanes: i32,
): void {
  const step = <usize>g.inChannels << 2;
  for (let ty = 0; ty < g.filterHeight; ty++) {
    for (let tx = 0; tx < g.filterWidth; tx++) {
      let sum = zero();
      for (let oy = start; oy < end; oy++) {
        const iy = oy * g.strideHeight - g.padTop + ty;
        if (<u32>iy >= <u32>g.inHeight) continue;
        for (let ox = 0; ox < g.outWidth; ox++) {
          const ix = ox * g.strideWidth - g.padLeft + tx;
          if (<u32>ix >= <u32>g.inWidth) continue;
          const value = v128.load(image + <usize>(iy * g.inWidth + ix) * step);
          sum = madd(value, v128.load(gradient + <usize>(oy * g.outWidth + ox) * step), sum);
        }
      }
      const to = dfilter + <usize>(ty * g.filterWidth + tx) * step;
      storeLanes(to, f32x4.add(v128.load(to), sum), lanes);
    }
  }
}
