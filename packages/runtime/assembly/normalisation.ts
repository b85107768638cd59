// Normalisation over groups of channels with the batch's own statistics, and its gradient: group norm with [images,
// groups], batch norm as one image whose groups are single channels. Channel sums are taken about the mean of the first
// rows and gathered in float64, so that a large mean costs no digits. The scratch holds ten vectors of channels.
import { gather, paddedChannels } from "./channels";
import { madd, storeLanes, zero } from "./simd";

/** Rows summed in float32 before they are added to the float64 sums. */
const CHUNK: i32 = 256;
/** Rows whose mean is the origin of the sums. */
const SAMPLE: i32 = 32;

export function normScratch(channels: i32): i32 {
  return paddedChannels(channels) * 40;
}

/** Sums about `origin` and sums of squares, per channel, in float64. */
function channelSums(x: usize, rows: i32, channels: i32, origin: usize, sums: usize, squares: usize): void {
  const step = <usize>channels << 2;
  const width = paddedChannels(channels);
  memory.fill(sums, 0, <usize>width << 3);
  memory.fill(squares, 0, <usize>width << 3);
  const sample = min(rows, SAMPLE);
  for (let c = 0; c < channels; c += 4) {
    let sum = zero();
    let at = x + (<usize>c << 2);
    for (let r = 0; r < sample; r++) {
      sum = f32x4.add(sum, v128.load(at));
      at += step;
    }
    v128.store(origin + (<usize>c << 2), f32x4.mul(sum, f32x4.splat(1 / <f32>sample)));
  }
  for (let start = 0; start < rows; start += CHUNK) {
    const end = min(rows, start + CHUNK);
    const from = x + <usize>start * step;
    let c = 0;
    for (; c + 16 <= channels; c += 16) {
      const o = <usize>c << 2;
      const o0 = v128.load(origin + o), o1 = v128.load(origin + o, 16);
      const o2 = v128.load(origin + o, 32), o3 = v128.load(origin + o, 48);
      let s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
      let q0 = zero(), q1 = zero(), q2 = zero(), q3 = zero();
      let at = from + o;
      for (let r = start; r < end; r++) {
        let v = f32x4.sub(v128.load(at), o0);
        s0 = f32x4.add(s0, v);
        q0 = madd(v, v, q0);
        v = f32x4.sub(v128.load(at, 16), o1);
        s1 = f32x4.add(s1, v);
        q1 = madd(v, v, q1);
        v = f32x4.sub(v128.load(at, 32), o2);
        s2 = f32x4.add(s2, v);
        q2 = madd(v, v, q2);
        v = f32x4.sub(v128.load(at, 48), o3);
        s3 = f32x4.add(s3, v);
        q3 = madd(v, v, q3);
        at += step;
      }
      const sum = sums + (o << 1);
      gather(sum, s0);
      gather(sum + 32, s1);
      gather(sum + 64, s2);
      gather(sum + 96, s3);
      const square = squares + (o << 1);
      gather(square, q0);
      gather(square + 32, q1);
      gather(square + 64, q2);
      gather(square + 96, q3);
    }
    for (; c < channels; c += 4) {
      const o = <usize>c << 2;
      const o0 = v128.load(origin + o);
      let s0 = zero(), q0 = zero();
      let at = from + o;
      for (let r = start; r < end; r++) {
        const v = f32x4.sub(v128.load(at), o0);
        s0 = f32x4.add(s0, v);
        q0 = madd(v, v, q0);
        at += step;
      }
      gather(sums + (o << 1), s0);
      gather(squares + (o << 1), q0);
    }
  }
}

/**
 * y = act(scale (x - mean) / sqrt(variance + epsilon) + offset + residual), x [images, rows, channels], mean and variance
 * [images, groups]. `residual` 0 means none.
 */
export function norm(
  x: usize,
  scale: usize,
  offset: usize,
  residual: usize,
  y: usize,
  mean: usize,
  variance: usize,
  images: i32,
  rows: i32,
  channels: i32,
  groups: i32,
  epsilon: f32,
  relu: bool,
  scratch: usize,
): void {
  const vector = <usize>paddedChannels(channels) << 2;
  const sums = scratch;
  const squares = sums + 2 * vector;
  const origin = squares + 2 * vector;
  const factor = origin + vector;
  const centre = factor + vector;
  const bias = centre + vector;
  memory.copy(bias, offset, <usize>channels << 2);
  const perGroup = channels / groups;
  const bytes = <usize>(rows * channels) << 2;
  for (let image = 0; image < images; image++) {
    channelSums(x, rows, channels, origin, sums, squares);
    for (let g = 0; g < groups; g++) {
      const first = g * perGroup;
      let groupMean: f64 = 0;
      for (let c = first; c < first + perGroup; c++) {
        groupMean += <f64>load<f32>(origin + (c << 2)) + load<f64>(sums + (c << 3)) / <f64>rows;
      }
      groupMean /= <f64>perGroup;
      let spread: f64 = 0;
      for (let c = first; c < first + perGroup; c++) {
        const shift = load<f64>(sums + (c << 3)) / <f64>rows;
        const distance = <f64>load<f32>(origin + (c << 2)) + shift - groupMean;
        spread += max(0, load<f64>(squares + (c << 3)) / <f64>rows - shift * shift) + distance * distance;
      }
      spread /= <f64>perGroup;
      store<f32>(mean, <f32>groupMean);
      store<f32>(variance, <f32>spread);
      // By the variance as it is stored, from which the gradient finds the same factor again.
      const inverse = 1 / sqrt<f64>(<f64>load<f32>(variance) + <f64>epsilon);
      mean += 4;
      variance += 4;
      for (let c = first; c < first + perGroup; c++) {
        store<f32>(factor + (c << 2), <f32>(<f64>load<f32>(scale + (c << 2)) * inverse));
        store<f32>(centre + (c << 2), <f32>groupMean);
      }
    }
    normalise(x, residual, y, rows, channels, factor, centre, bias, relu);
    x += bytes;
    y += bytes;
    if (residual) residual += bytes;
  }
}

function normalise(
  x: usize,
  residual: usize,
  y: usize,
  rows: i32,
  channels: i32,
  factor: usize,
  centre: usize,
  bias: usize,
  relu: bool,
): void {
  if (residual) normaliseRows(x, residual, y, rows, channels, factor, centre, bias, relu, true);
  else normaliseRows(x, residual, y, rows, channels, factor, centre, bias, relu, false);
}

// @ts-ignore: decorator
@inline
function normaliseRows(
  x: usize,
  residual: usize,
  y: usize,
  rows: i32,
  channels: i32,
  factor: usize,
  centre: usize,
  bias: usize,
  relu: bool,
  plus: bool,
): void {
  const floor = relu ? zero() : f32x4.splat(-Infinity);
  const step = <usize>channels << 2;
  const whole = <usize>(channels & ~3) << 2;
  const rest = channels & 3;
  for (let r = 0; r < rows; r++) {
    let o: usize = 0;
    for (; o < whole; o += 16) {
      let v = f32x4.sub(v128.load(x + o), v128.load(centre + o));
      v = madd(v, v128.load(factor + o), v128.load(bias + o));
      if (plus) v = f32x4.add(v, v128.load(residual + o));
      v128.store(y + o, f32x4.pmax(v, floor));
    }
    if (rest) {
      let v = f32x4.sub(v128.load(x + o), v128.load(centre + o));
      v = madd(v, v128.load(factor + o), v128.load(bias + o));
      if (plus) v = f32x4.add(v, v128.load(residual + o));
      storeLanes(y + o, f32x4.pmax(v, floor), rest);
    }
    x += step;
    y += step;
    if (plus) residual += step;
  }
}

/**
 * Gradient of `norm`: dx like x, dscale and doffset [channels], and, unless 0, dresidual like x. Where the activation was a
 * relu, dy is masked by `y`; with `y` 0, by what `norm` made of x without a residual, for which it takes `offset`.
 */
export function normGrad(
  dy: usize,
  x: usize,
  y: usize,
  scale: usize,
  offset: usize,
  mean: usize,
  variance: usize,
  dx: usize,
  dscale: usize,
  doffset: usize,
  dresidual: usize,
  images: i32,
  rows: i32,
  channels: i32,
  groups: i32,
  epsilon: f32,
  relu: bool,
  scratch: usize,
): void {
  const vector = <usize>paddedChannels(channels) << 2;
  const sums = scratch;
  const products = sums + 2 * vector;
  const centre = products + 2 * vector;
  const ofGradient = centre + vector;
  const ofInput = ofGradient + vector;
  const constant = ofInput + vector;
  const bias = constant + vector;
  if (!y) memory.copy(bias, offset, <usize>channels << 2);
  const perGroup = channels / groups;
  const count = <f64>rows * <f64>perGroup;
  const bytes = <usize>(rows * channels) << 2;
  memory.fill(dscale, 0, <usize>channels << 2);
  memory.fill(doffset, 0, <usize>channels << 2);
  for (let image = 0; image < images; image++) {
    for (let c = 0; c < channels; c++) {
      const g = c / perGroup;
      const inverse = 1 / sqrt<f64>(<f64>load<f32>(variance + (g << 2)) + <f64>epsilon);
      store<f32>(centre + (c << 2), load<f32>(mean + (g << 2)));
      store<f32>(ofGradient + (c << 2), <f32>(<f64>load<f32>(scale + (c << 2)) * inverse));
    }
    if (y) gradientSums(dy, x, y, rows, channels, centre, ofGradient, bias, relu, sums, products, false);
    else gradientSums(dy, x, y, rows, channels, centre, ofGradient, bias, relu, sums, products, true);
    for (let g = 0; g < groups; g++) {
      const first = g * perGroup;
      const inverse = 1 / sqrt<f64>(<f64>load<f32>(variance + (g << 2)) + <f64>epsilon);
      let meanGradient: f64 = 0, meanProduct: f64 = 0;
      for (let c = first; c < first + perGroup; c++) {
        const sum = load<f64>(sums + (c << 3));
        const product = load<f64>(products + (c << 3)) * inverse;
        const weight = <f64>load<f32>(scale + (c << 2));
        meanGradient += weight * sum;
        meanProduct += weight * product;
        store<f32>(dscale + (c << 2), <f32>(<f64>load<f32>(dscale + (c << 2)) + product));
        store<f32>(doffset + (c << 2), <f32>(<f64>load<f32>(doffset + (c << 2)) + sum));
      }
      meanGradient /= count;
      meanProduct /= count;
      for (let c = first; c < first + perGroup; c++) {
        store<f32>(ofInput + (c << 2), <f32>(-inverse * inverse * meanProduct));
        store<f32>(constant + (c << 2), <f32>(-inverse * meanGradient));
      }
    }
    if (y) {
      spreadGradient(dy, x, y, dx, dresidual, rows, channels, centre, ofGradient, ofInput, constant, bias, relu, false);
      y += bytes;
    } else {
      spreadGradient(dy, x, y, dx, dresidual, rows, channels, centre, ofGradient, ofInput, constant, bias, relu, true);
    }
    mean += <usize>groups << 2;
    variance += <usize>groups << 2;
    dy += bytes;
    x += bytes;
    dx += bytes;
    if (dresidual) dresidual += bytes;
  }
}

/** dy where the relu let something through: by y, or without one by the value that `normaliseRows` computed. */
// @ts-ignore: decorator
@inline
function masked(dy: usize, y: usize, distance: v128, factor: v128, bias: v128, floor: v128, again: bool): v128 {
  const value = again ? madd(distance, factor, bias) : v128.load(y);
  return v128.and(v128.load(dy), f32x4.gt(value, floor));
}

/** Per channel, in float64: the sum of the masked dy, and that of dy (x - mean). */
// @ts-ignore: decorator
@inline
function gradientSums(
  dy: usize,
  x: usize,
  y: usize,
  rows: i32,
  channels: i32,
  centre: usize,
  factor: usize,
  bias: usize,
  relu: bool,
  sums: usize,
  products: usize,
  again: bool,
): void {
  const step = <usize>channels << 2;
  memory.fill(sums, 0, <usize>paddedChannels(channels) << 3);
  memory.fill(products, 0, <usize>paddedChannels(channels) << 3);
  // Without a relu nothing is masked: every y is above minus infinity, NaN aside.
  const floor = relu ? zero() : f32x4.splat(-Infinity);
  for (let start = 0; start < rows; start += CHUNK) {
    const end = min(rows, start + CHUNK);
    const from = <usize>start * step;
    let c = 0;
    for (; c + 8 <= channels; c += 8) {
      const o = <usize>c << 2;
      const m0 = v128.load(centre + o), m1 = v128.load(centre + o, 16);
      const f0 = v128.load(factor + o), f1 = v128.load(factor + o, 16);
      const b0 = v128.load(bias + o), b1 = v128.load(bias + o, 16);
      let s0 = zero(), s1 = zero(), p0 = zero(), p1 = zero();
      let at = from + o;
      for (let r = start; r < end; r++) {
        const x0 = f32x4.sub(v128.load(x + at), m0);
        const d0 = masked(dy + at, y + at, x0, f0, b0, floor, again);
        s0 = f32x4.add(s0, d0);
        p0 = madd(d0, x0, p0);
        const x1 = f32x4.sub(v128.load(x + at, 16), m1);
        const d1 = masked(dy + at + 16, y + at + 16, x1, f1, b1, floor, again);
        s1 = f32x4.add(s1, d1);
        p1 = madd(d1, x1, p1);
        at += step;
      }
      gather(sums + (o << 1), s0);
      gather(sums + (o << 1) + 32, s1);
      gather(products + (o << 1), p0);
      gather(products + (o << 1) + 32, p1);
    }
    for (; c < channels; c += 4) {
      const o = <usize>c << 2;
      const m0 = v128.load(centre + o), f0 = v128.load(factor + o), b0 = v128.load(bias + o);
      let s0 = zero(), p0 = zero();
      let at = from + o;
      for (let r = start; r < end; r++) {
        const x0 = f32x4.sub(v128.load(x + at), m0);
        const d0 = masked(dy + at, y + at, x0, f0, b0, floor, again);
        s0 = f32x4.add(s0, d0);
        p0 = madd(d0, x0, p0);
        at += step;
      }
      gather(sums + (o << 1), s0);
      gather(products + (o << 1), p0);
    }
  }
}

// @ts-ignore: decorator
@inline
function spreadGradient(
  dy: usize,
  x: usize,
  y: usize,
  dx: usize,
  dresidual: usize,
  rows: i32,
  channels: i32,
  centre: usize,
  ofGradient: usize,
  ofInput: usize,
  constant: usize,
  bias: usize,
  relu: bool,
  again: bool,
): void {
  const step = <usize>channels << 2;
  const floor = relu ? zero() : f32x4.splat(-Infinity);
  const whole = <usize>(channels & ~3) << 2;
  const rest = channels & 3;
  for (let r = 0; r < rows; r++) {
    let o: usize = 0;
    for (; o < whole; o += 16) {
      const distance = f32x4.sub(v128.load(x + o), v128.load(centre + o));
      const factor = v128.load(ofGradient + o);
      const d = masked(dy + o, y + o, distance, factor, again ? v128.load(bias + o) : floor, floor, again);
      const base = madd(distance, v128.load(ofInput + o), v128.load(constant + o));
      v128.store(dx + o, madd(d, factor, base));
      if (dresidual) v128.store(dresidual + o, d);
    }
    if (rest) {
      const distance = f32x4.sub(v128.load(x + o), v128.load(centre + o));
      const factor = v128.load(ofGradient + o);
      const d = masked(dy + o, y + o, distance, factor, again ? v128.load(bias + o) : floor, floor, again);
      const base = madd(distance, v128.load(ofInput + o), v128.load(constant + o));
      storeLanes(dx + o, madd(d, factor, base), rest);
      if (dresidual) storeLanes(dresidual + o, d, rest);
    }
    dy += step;
    x += step;
    if (!again) y += step;
    dx += step;
    if (dresidual) dresidual += step;
  }
}
