// Gradient of a depthwise filter over NHWC, multiplier 1. For 3×3 the nine sums of four channels stay in registers over a
// strip of rows that fits the cache; other sizes go tap by tap. Strips add to the result, which shortens the float32 sums.
import { Geometry } from "./geometry";
import { madd, storeLanes, zero } from "./simd";

/** Bytes of x in one strip of a tile. */
const STRIP_BYTES: i32 = 262144;
/** Output columns of a tile, so that its cache lines serve all sixteen channels that they hold. */
const TILE_WIDTH: i32 = 64;

/** Sixteen bytes of zeros, then nine sums of four channels. */
export const DEPTHWISE_FILTER_SCRATCH: i32 = 16 + 9 * 16;

export function depthwiseBackpropFilter(g: Geometry, x: usize, dy: usize, dfilter: usize, scratch: usize): void {
  const step = <usize>g.inChannels << 2;
  memory.fill(dfilter, 0, <usize>(g.filterHeight * g.filterWidth) * step);
  memory.fill(scratch, 0, 16);
  const three = g.filterHeight == 3 && g.filterWidth == 3;
  const sliding = three && g.strideHeight == 1 && g.strideWidth == 1;
  const width = min(g.inWidth, TILE_WIDTH * g.strideWidth);
  const strip = max(1, STRIP_BYTES / max(1, width * g.inChannels * 4 * g.strideHeight));
  for (let b = 0; b < g.batch; b++) {
    const image = x + <usize>(b * g.inHeight * g.inWidth) * step;
    const gradient = dy + <usize>(b * g.outHeight * g.outWidth) * step;
    for (let start = 0; start < g.outHeight; start += strip) {
      const end = min(g.outHeight, start + strip);
      for (let left = 0; left < g.outWidth; left += TILE_WIDTH) {
        const right = min(g.outWidth, left + TILE_WIDTH);
        const firstRow = max(0, start * g.strideHeight - g.padTop);
        const endRow = min(g.inHeight, (end - 1) * g.strideHeight - g.padTop + g.filterHeight);
        const firstX = max(0, left * g.strideWidth - g.padLeft);
        const endX = min(g.inWidth, (right - 1) * g.strideWidth - g.padLeft + g.filterWidth);
        let touched: f32 = 0;
        for (let row = firstRow; row < endRow; row++) {
          touched += touch(image + <usize>(row * g.inWidth + firstX) * step, <usize>max(0, endX - firstX) * step);
        }
        for (let row = start; row < end; row++) {
          touched += touch(gradient + <usize>(row * g.outWidth + left) * step, <usize>(right - left) * step);
        }
        store<f32>(scratch + 16, touched);
        for (let c = 0; c < g.inChannels; c += 4) {
          const o = <usize>c << 2;
          if (sliding) slideStrip(g, image + o, gradient + o, start, end, left, right, scratch);
          else if (three) threeStrip(g, image + o, gradient + o, start, end, left, right, scratch);
          if (three) addSums(dfilter + o, step, scratch + 16, g.inChannels - c);
          else anyStrip(g, image + o, gradient + o, dfilter + o, start, end, left, right, g.inChannels - c);
        }
      }
    }
  }
}

/**
 * Reads every cache line once, in order, so that the processor fetches them ahead: the passes below take 16 bytes of a line
 * at a time, a stride that it does not foresee. The sum keeps the compiler from leaving the reads out.
 */
function touch(from: usize, bytes: usize): f32 {
  let sum: f32 = 0;
  for (let o: usize = 0; o < bytes; o += 64) sum += load<f32>(from + o);
  return sum;
}

function addSums(to: usize, step: usize, sums: usize, lanes: i32): void {
  for (let tap = 0; tap < 9; tap++) {
    storeLanes(to, f32x4.add(v128.load(to), v128.load(sums)), lanes);
    to += step;
    sums += 16;
  }
}

function slideStrip(
  g: Geometry,
  image: usize,
  gradient: usize,
  start: i32,
  end: i32,
  left: i32,
  right: i32,
  scratch: usize,
): void {
  const step = <usize>g.inChannels << 2;
  const rowBytes = <usize>g.inWidth * step;
  const firstX = left - g.padLeft;
  const skipped = <usize>max(0, firstX) * step;
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
    let from = gradient + <usize>(oy * g.outWidth + left) * step;
    let d1 = zero(), d2 = zero();
    let ix = firstX;
    for (let t = left; t < right + 2; t++) {
      const d0 = v128.load(t < right ? from : scratch);
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

/** Any stride; taps in the padding are left out. */
function threeStrip(
  g: Geometry,
  image: usize,
  gradient: usize,
  start: i32,
  end: i32,
  left: i32,
  right: i32,
  scratch: usize,
): void {
  const step = <usize>g.inChannels << 2;
  const next = 2 * step;
  const rowBytes = <usize>g.inWidth * step;
  const advance = <usize>g.strideWidth * step;
  let s00 = zero(), s01 = zero(), s02 = zero();
  let s10 = zero(), s11 = zero(), s12 = zero();
  let s20 = zero(), s21 = zero(), s22 = zero();
  for (let oy = start; oy < end; oy++) {
    const iy = oy * g.strideHeight - g.padTop;
    let ix = left * g.strideWidth - g.padLeft;
    let r0 = image + <usize>(iy * g.inWidth + ix) * step;
    let from = gradient + <usize>(oy * g.outWidth + left) * step;
    const in0 = <u32>iy < <u32>g.inHeight;
    const in1 = <u32>(iy + 1) < <u32>g.inHeight;
    const in2 = <u32>(iy + 2) < <u32>g.inHeight;
    const rowsInside = in0 && in1 && in2;
    for (let ox = left; ox < right; ox++) {
      const d = v128.load(from);
      const r1 = r0 + rowBytes;
      const r2 = r1 + rowBytes;
      if (rowsInside && ix >= 0 && ix + 3 <= g.inWidth) {
        s00 = madd(v128.load(r0), d, s00);
        s01 = madd(v128.load(r0 + step), d, s01);
        s02 = madd(v128.load(r0 + next), d, s02);
        s10 = madd(v128.load(r1), d, s10);
        s11 = madd(v128.load(r1 + step), d, s11);
        s12 = madd(v128.load(r1 + next), d, s12);
        s20 = madd(v128.load(r2), d, s20);
        s21 = madd(v128.load(r2 + step), d, s21);
        s22 = madd(v128.load(r2 + next), d, s22);
      } else {
        const on0 = <u32>ix < <u32>g.inWidth;
        const on1 = <u32>(ix + 1) < <u32>g.inWidth;
        const on2 = <u32>(ix + 2) < <u32>g.inWidth;
        if (in0 && on0) s00 = madd(v128.load(r0), d, s00);
        if (in0 && on1) s01 = madd(v128.load(r0 + step), d, s01);
        if (in0 && on2) s02 = madd(v128.load(r0 + next), d, s02);
        if (in1 && on0) s10 = madd(v128.load(r1), d, s10);
        if (in1 && on1) s11 = madd(v128.load(r1 + step), d, s11);
        if (in1 && on2) s12 = madd(v128.load(r1 + next), d, s12);
        if (in2 && on0) s20 = madd(v128.load(r2), d, s20);
        if (in2 && on1) s21 = madd(v128.load(r2 + step), d, s21);
        if (in2 && on2) s22 = madd(v128.load(r2 + next), d, s22);
      }
      ix += g.strideWidth;
      r0 += advance;
      from += step;
    }
  }
  storeSums(scratch + 16, s00, s01, s02, s10, s11, s12, s20, s21, s22);
}

function anyStrip(
  g: Geometry,
  image: usize,
  gradient: usize,
  dfilter: usize,
  start: i32,
  end: i32,
  left: i32,
  right: i32,
  lanes: i32,
): void {
  const step = <usize>g.inChannels << 2;
  for (let ty = 0; ty < g.filterHeight; ty++) {
    for (let tx = 0; tx < g.filterWidth; tx++) {
      let sum = zero();
      for (let oy = start; oy < end; oy++) {
        const iy = oy * g.strideHeight - g.padTop + ty;
        if (<u32>iy >= <u32>g.inHeight) continue;
        for (let ox = left; ox < right; ox++) {
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
