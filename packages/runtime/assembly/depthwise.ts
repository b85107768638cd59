// Depthwise 2D convolution over NHWC, multiplier 1: forward and gradient of the input, four channels at a time. 3×3 with
// stride 1 slides along a row with three open sums, so that each value is loaded once; 3×3 with stride 2 has paths of
// its own; other sizes go tap by tap. The last vector of channels may read up to 12 bytes past a tensor, never write.
import { Geometry } from "./geometry";
import { madd, storeLanes, zero } from "./simd";

/** Bytes of zeros that stand for a row in the padding. */
export const DEPTHWISE_SCRATCH: i32 = 16;

/**
 * One row of a 3×3 stride-1 window over four channels: `source*` are the three input rows, which advance by `step*` bytes
 * a pixel (0 for a row in the padding), `left` the padding at the left, `w*` the taps.
 */
function slideRow(
  source0: usize,
  source1: usize,
  source2: usize,
  step0: usize,
  step1: usize,
  step2: usize,
  inWidth: i32,
  left: i32,
  filter: usize,
  tap: usize,
  row: usize,
  to: usize,
  step: usize,
  outWidth: i32,
  lanes: i32,
): void {
  const w00 = v128.load(filter), w01 = v128.load(filter + tap), w02 = v128.load(filter + 2 * tap);
  filter += row;
  const w10 = v128.load(filter), w11 = v128.load(filter + tap), w12 = v128.load(filter + 2 * tap);
  filter += row;
  const w20 = v128.load(filter), w21 = v128.load(filter + tap), w22 = v128.load(filter + 2 * tap);
  let first = zero(), second = zero(), third = zero();
  let ix = -left;
  for (let t = -2; t < outWidth; t++) {
    if (<u32>ix < <u32>inWidth) {
      const v0 = v128.load(source0);
      first = madd(v0, w02, first);
      second = madd(v0, w01, second);
      third = madd(v0, w00, third);
      const v1 = v128.load(source1);
      first = madd(v1, w12, first);
      second = madd(v1, w11, second);
      third = madd(v1, w10, third);
      const v2 = v128.load(source2);
      first = madd(v2, w22, first);
      second = madd(v2, w21, second);
      third = madd(v2, w20, third);
      source0 += step0;
      source1 += step1;
      source2 += step2;
    }
    if (t >= 0) {
      storeLanes(to, first, lanes);
      to += step;
    }
    first = second;
    second = third;
    third = zero();
    ix++;
  }
}

/** Two neighbouring output rows at once, whose four input rows from `source` on are all inside: the middle two serve both. */
function slidePair(
  source: usize,
  rowBytes: usize,
  inWidth: i32,
  left: i32,
  filter: usize,
  tap: usize,
  to: usize,
  next: usize,
  step: usize,
  outWidth: i32,
): void {
  const w00 = v128.load(filter), w01 = v128.load(filter + tap), w02 = v128.load(filter + 2 * tap);
  filter += 3 * tap;
  const w10 = v128.load(filter), w11 = v128.load(filter + tap), w12 = v128.load(filter + 2 * tap);
  filter += 3 * tap;
  const w20 = v128.load(filter), w21 = v128.load(filter + tap), w22 = v128.load(filter + 2 * tap);
  let first = zero(), second = zero(), third = zero();
  let below1 = zero(), below2 = zero(), below3 = zero();
  let source1 = source + rowBytes;
  let source2 = source1 + rowBytes;
  let source3 = source2 + rowBytes;
  let ix = -left;
  for (let t = -2; t < outWidth; t++) {
    if (<u32>ix < <u32>inWidth) {
      let v = v128.load(source);
      first = madd(v, w02, first);
      second = madd(v, w01, second);
      third = madd(v, w00, third);
      v = v128.load(source1);
      first = madd(v, w12, first);
      second = madd(v, w11, second);
      third = madd(v, w10, third);
      below1 = madd(v, w02, below1);
      below2 = madd(v, w01, below2);
      below3 = madd(v, w00, below3);
      v = v128.load(source2);
      first = madd(v, w22, first);
      second = madd(v, w21, second);
      third = madd(v, w20, third);
      below1 = madd(v, w12, below1);
      below2 = madd(v, w11, below2);
      below3 = madd(v, w10, below3);
      v = v128.load(source3);
      below1 = madd(v, w22, below1);
      below2 = madd(v, w21, below2);
      below3 = madd(v, w20, below3);
      source += step;
      source1 += step;
      source2 += step;
      source3 += step;
    }
    if (t >= 0) {
      v128.store(to, first);
      v128.store(next, below1);
      to += step;
      next += step;
    }
    first = second;
    second = third;
    third = zero();
    below1 = below2;
    below2 = below3;
    below3 = zero();
    ix++;
  }
}

/** All rows of a 3×3 stride-1 window of all images; `flip` reads the filter backwards. */
function slide(
  batch: i32,
  inHeight: i32,
  inWidth: i32,
  outHeight: i32,
  outWidth: i32,
  channels: i32,
  top: i32,
  left: i32,
  source: usize,
  filter: usize,
  out: usize,
  flip: bool,
  scratch: usize,
): void {
  const step = <usize>channels << 2;
  memory.fill(scratch, 0, DEPTHWISE_SCRATCH);
  for (let b = 0; b < batch; b++) {
    const image = source + <usize>(b * inHeight * inWidth) * step;
    const to = out + <usize>(b * outHeight * outWidth) * step;
    slideRows(inHeight, inWidth, outWidth, channels, top, left, image, filter, 0, outHeight, to, flip, scratch);
  }
}

/** Rows `first` to `end` of one image, to `out`; `zeros` stands for a row in the padding. */
function slideRows(
  inHeight: i32,
  inWidth: i32,
  outWidth: i32,
  channels: i32,
  top: i32,
  left: i32,
  image: usize,
  filter: usize,
  first: i32,
  end: i32,
  out: usize,
  flip: bool,
  zeros: usize,
): void {
  const step = <usize>channels << 2;
  const firstTap = flip ? filter + 8 * step : filter;
  const tap = flip ? 0 - step : step;
  const skipped = <usize>max(0, -left) * step;
  const rowBytes = <usize>inWidth * step;
  const outBytes = <usize>outWidth * step;
  let oy = first;
  while (oy < end) {
    const y0 = oy - top;
    const to = out + <usize>(oy - first) * outBytes;
    if (y0 >= 0 && y0 + 4 <= inHeight && oy + 2 <= end && (channels & 3) == 0) {
      const from = image + <usize>y0 * rowBytes + skipped;
      for (let o: usize = 0; o < step; o += 16) {
        slidePair(from + o, rowBytes, inWidth, left, firstTap + o, tap, to + o, to + outBytes + o, step, outWidth);
      }
      oy += 2;
      continue;
    }
    const in0 = <u32>y0 < <u32>inHeight;
    const in1 = <u32>(y0 + 1) < <u32>inHeight;
    const in2 = <u32>(y0 + 2) < <u32>inHeight;
    const row = image + <usize>(y0 * inWidth) * step + skipped;
    for (let c = 0; c < channels; c += 4) {
      const o = <usize>c << 2;
      slideRow(
        in0 ? row + o : zeros,
        in1 ? row + rowBytes + o : zeros,
        in2 ? row + 2 * rowBytes + o : zeros,
        in0 ? step : 0,
        in1 ? step : 0,
        in2 ? step : 0,
        inWidth,
        left,
        firstTap + o,
        tap,
        3 * tap,
        to + o,
        step,
        outWidth,
        channels - c,
      );
    }
    oy++;
  }
}

// @ts-ignore: decorator
@inline
function isSlide(g: Geometry): bool {
  return g.filterHeight == 3 && g.filterWidth == 3 && g.strideHeight == 1 && g.strideWidth == 1;
}

export function depthwise(g: Geometry, x: usize, filter: usize, y: usize, scratch: usize): void {
  if (isSlide(g)) {
    slide(
      g.batch, g.inHeight, g.inWidth, g.outHeight, g.outWidth, g.inChannels,
      g.padTop, g.padLeft, x, filter, y, false, scratch,
    );
    return;
  }
  const step = <usize>g.inChannels << 2;
  for (let b = 0; b < g.batch; b++) {
    const image = x + <usize>(b * g.inHeight * g.inWidth) * step;
    const to = y + <usize>(b * g.outHeight * g.outWidth) * step;
    pixelRows(g, image, filter, 0, g.outHeight, to);
  }
}

/** Rows `first` to `end` of one image's result, to `out`; `zeros` are 16 bytes of zeros. */
export function depthwiseRows(
  g: Geometry,
  image: usize,
  filter: usize,
  first: i32,
  end: i32,
  out: usize,
  zeros: usize,
): void {
  if (isSlide(g)) {
    slideRows(
      g.inHeight, g.inWidth, g.outWidth, g.inChannels,
      g.padTop, g.padLeft, image, filter, first, end, out, false, zeros,
    );
  } else pixelRows(g, image, filter, first, end, out);
}

/** The same pixel by pixel, any stride and filter. */
function pixelRows(g: Geometry, image: usize, filter: usize, first: i32, end: i32, out: usize): void {
  const step = <usize>g.inChannels << 2;
  const fast = g.filterHeight == 3 && g.filterWidth == 3;
  let to = out;
  for (let oy = first; oy < end; oy++) {
    const iy = oy * g.strideHeight - g.padTop;
    const rowsInside = iy >= 0 && iy + 3 <= g.inHeight;
    for (let ox = 0; ox < g.outWidth; ox++) {
      const ix = ox * g.strideWidth - g.padLeft;
      const window = image + <usize>(iy * g.inWidth + ix) * step;
      if (fast && rowsInside && ix >= 0 && ix + 3 <= g.inWidth) {
        pixelThree(window, <usize>g.inWidth * step, filter, step, to, g.inChannels);
      } else {
        pixelAny(g, image, iy, ix, filter, to);
      }
      to += step;
    }
  }
}

/** One output pixel whose 3×3 window lies inside the image. */
function pixelThree(window: usize, row: usize, filter: usize, step: usize, to: usize, channels: i32): void {
  const window1 = window + row;
  const window2 = window1 + row;
  const filter1 = filter + 3 * step;
  const filter2 = filter1 + 3 * step;
  for (let c = 0; c < channels; c += 4) {
    const o = <usize>c << 2;
    const p = o + step;
    const q = p + step;
    let low = f32x4.mul(v128.load(window + o), v128.load(filter + o));
    let mid = f32x4.mul(v128.load(window + p), v128.load(filter + p));
    low = madd(v128.load(window + q), v128.load(filter + q), low);
    mid = madd(v128.load(window1 + o), v128.load(filter1 + o), mid);
    low = madd(v128.load(window1 + p), v128.load(filter1 + p), low);
    mid = madd(v128.load(window1 + q), v128.load(filter1 + q), mid);
    low = madd(v128.load(window2 + o), v128.load(filter2 + o), low);
    mid = madd(v128.load(window2 + p), v128.load(filter2 + p), mid);
    low = madd(v128.load(window2 + q), v128.load(filter2 + q), low);
    storeLanes(to + o, f32x4.add(low, mid), channels - c);
  }
}

/** One output pixel, whatever the window. */
function pixelAny(g: Geometry, image: usize, iy: i32, ix: i32, filter: usize, to: usize): void {
  const step = <usize>g.inChannels << 2;
  const y0 = max(0, -iy), y1 = min(g.filterHeight, g.inHeight - iy);
  const x0 = max(0, -ix), x1 = min(g.filterWidth, g.inWidth - ix);
  for (let c = 0; c < g.inChannels; c += 4) {
    let sum = zero();
    for (let ty = y0; ty < y1; ty++) {
      for (let tx = x0; tx < x1; tx++) {
        const value = v128.load(image + <usize>((iy + ty) * g.inWidth + ix + tx) * step + (c << 2));
        const weight = v128.load(filter + <usize>(ty * g.filterWidth + tx) * step + (c << 2));
        sum = madd(value, weight, sum);
      }
    }
    storeLanes(to + (c << 2), sum, g.inChannels - c);
  }
}

export function depthwiseBackpropInput(g: Geometry, dy: usize, filter: usize, dx: usize, scratch: usize): void {
  if (isSlide(g)) {
    slide(
      g.batch, g.outHeight, g.outWidth, g.inHeight, g.inWidth, g.inChannels,
      2 - g.padTop, 2 - g.padLeft, dy, filter, dx, true, scratch,
    );
    return;
  }
  const halved = g.filterHeight == 3 && g.filterWidth == 3 && g.strideHeight == 2 && g.strideWidth == 2;
  const step = <usize>g.inChannels << 2;
  memory.fill(scratch, 0, DEPTHWISE_SCRATCH);
  for (let b = 0; b < g.batch; b++) {
    const image = dy + <usize>(b * g.outHeight * g.outWidth) * step;
    for (let iy = 0; iy < g.inHeight; iy++) {
      const to = dx + <usize>((b * g.inHeight + iy) * g.inWidth) * step;
      if (halved) halvedRow(g, image, filter, iy, to, scratch);
      else inputRowAny(g, image, filter, iy, to);
    }
  }
}

/** One row of the input gradient at stride 2: it meets tap row 1, or tap rows 0 and 2. */
function halvedRow(g: Geometry, image: usize, filter: usize, iy: i32, to: usize, zeros: usize): void {
  const step = <usize>g.inChannels << 2;
  const y = iy + g.padTop;
  const odd = (y & 1) == 1;
  const oy = y >> 1;
  const inside = <u32>oy < <u32>g.outHeight;
  const insideBefore = !odd && <u32>(oy - 1) < <u32>g.outHeight;
  const row = image + <usize>(oy * g.outWidth) * step;
  const taps = odd ? filter + 3 * step : filter;
  const tapsBefore = filter + 6 * step;
  const rowBytes = <usize>g.outWidth * step;
  for (let c = 0; c < g.inChannels; c += 4) {
    const o = <usize>c << 2;
    const lanes = g.inChannels - c;
    if (odd) halvedSpan(g, inside ? row + o : zeros, inside ? step : 0, taps + o, step, to + o, lanes);
    else {
      halvedSpans(
        g,
        inside ? row + o : zeros,
        inside ? step : 0,
        insideBefore ? row - rowBytes + o : zeros,
        insideBefore ? step : 0,
        taps + o,
        tapsBefore + o,
        step,
        to + o,
        lanes,
      );
    }
  }
}

function halvedSpan(g: Geometry, a: usize, stepA: usize, taps: usize, step: usize, to: usize, lanes: i32): void {
  const w0 = v128.load(taps), w1 = v128.load(taps + step), w2 = v128.load(taps + 2 * step);
  let before = zero();
  let ix = -g.padLeft;
  to += <usize>ix * step;
  for (let ox = 0; ix < g.inWidth; ox++) {
    let value = zero();
    if (ox < g.outWidth) {
      value = v128.load(a);
      a += stepA;
    }
    if (ix >= 0) storeLanes(to, madd(before, w2, f32x4.mul(value, w0)), lanes);
    ix++;
    to += step;
    if (<u32>ix < <u32>g.inWidth) storeLanes(to, f32x4.mul(value, w1), lanes);
    ix++;
    to += step;
    before = value;
  }
}

function halvedSpans(
  g: Geometry,
  a: usize,
  stepA: usize,
  b: usize,
  stepB: usize,
  tapsA: usize,
  tapsB: usize,
  step: usize,
  to: usize,
  lanes: i32,
): void {
  const a0 = v128.load(tapsA), a1 = v128.load(tapsA + step), a2 = v128.load(tapsA + 2 * step);
  const b0 = v128.load(tapsB), b1 = v128.load(tapsB + step), b2 = v128.load(tapsB + 2 * step);
  let beforeA = zero(), beforeB = zero();
  let ix = -g.padLeft;
  to += <usize>ix * step;
  for (let ox = 0; ix < g.inWidth; ox++) {
    let valueA = zero(), valueB = zero();
    if (ox < g.outWidth) {
      valueA = v128.load(a);
      valueB = v128.load(b);
      a += stepA;
      b += stepB;
    }
    if (ix >= 0) {
      const even = madd(beforeA, a2, f32x4.mul(valueA, a0));
      storeLanes(to, f32x4.add(even, madd(beforeB, b2, f32x4.mul(valueB, b0))), lanes);
    }
    ix++;
    to += step;
    if (<u32>ix < <u32>g.inWidth) storeLanes(to, madd(valueB, b1, f32x4.mul(valueA, a1)), lanes);
    ix++;
    to += step;
    beforeA = valueA;
    beforeB = valueB;
  }
}

/** One row of the input gradient, any filter and stride. */
function inputRowAny(g: Geometry, image: usize, filter: usize, iy: i32, to: usize): void {
  const step = <usize>g.inChannels << 2;
  const firstY = (iy + g.padTop) % g.strideHeight;
  for (let ix = 0; ix < g.inWidth; ix++) {
    const firstX = (ix + g.padLeft) % g.strideWidth;
    for (let c = 0; c < g.inChannels; c += 4) {
      let sum = zero();
      for (let ty = firstY; ty < g.filterHeight; ty += g.strideHeight) {
        const oy = (iy + g.padTop - ty) / g.strideHeight;
        if (iy + g.padTop < ty || oy >= g.outHeight) continue;
        for (let tx = firstX; tx < g.filterWidth; tx += g.strideWidth) {
          const ox = (ix + g.padLeft - tx) / g.strideWidth;
          if (ix + g.padLeft < tx || ox >= g.outWidth) continue;
          const value = v128.load(image + <usize>(oy * g.outWidth + ox) * step + (c << 2));
          const weight = v128.load(filter + <usize>(ty * g.filterWidth + tx) * step + (c << 2));
          sum = madd(value, weight, sum);
        }
      }
      storeLanes(to + (c << 2), sum, g.inChannels - c);
    }
    to += step;
  }
}
