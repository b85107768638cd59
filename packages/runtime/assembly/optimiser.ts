// SGD with momentum and AdamW as PyTorch has them, and the sum of squares that gradient clipping needs.
import { madd, storeLanes } from "./simd";

/** m' = momentum m + gradientScale g + weightDecay p; p' = p - learningRate m'. gradientScale is an address. */
export function sgd(
  parameter: usize,
  gradient: usize,
  momentum: usize,
  nextParameter: usize,
  nextMomentum: usize,
  size: i32,
  gradientScale: usize,
  learningRate: f32,
  friction: f32,
  weightDecay: f32,
): void {
  const scale = v128.load32_splat(gradientScale);
  const rate = f32x4.splat(learningRate);
  const keep = f32x4.splat(friction);
  const decay = f32x4.splat(weightDecay);
  for (let i = 0; i < size; i += 4) {
    const o = <usize>i << 2;
    const p = v128.load(parameter + o);
    const g = madd(decay, p, f32x4.mul(scale, v128.load(gradient + o)));
    const m = madd(keep, v128.load(momentum + o), g);
    storeLanes(nextMomentum + o, m, size - i);
    storeLanes(nextParameter + o, f32x4.sub(p, f32x4.mul(rate, m)), size - i);
  }
}

/**
 * m' = beta1 m + (1 - beta1) g; v' = beta2 v + (1 - beta2) g²; p' = shrink p - rate m' / (sqrt(v') spread + epsilon), where g is the
 * gradient times gradientScale (an address), and shrink, rate and spread hold learning rate, decay and bias corrections.
 */
export function adamW(
  parameter: usize,
  gradient: usize,
  mean: usize,
  square: usize,
  nextParameter: usize,
  nextMean: usize,
  nextSquare: usize,
  size: i32,
  gradientScale: usize,
  rate: f32,
  beta1: f32,
  beta2: f32,
  spread: f32,
  epsilon: f32,
  shrink: f32,
): void {
  const scale = v128.load32_splat(gradientScale);
  const b1 = f32x4.splat(beta1), c1 = f32x4.splat(1 - beta1);
  const b2 = f32x4.splat(beta2), c2 = f32x4.splat(1 - beta2);
  for (let i = 0; i < size; i += 4) {
    const o = <usize>i << 2;
    const g = f32x4.mul(scale, v128.load(gradient + o));
    const m = madd(b1, v128.load(mean + o), f32x4.mul(c1, g));
    const v = madd(b2, v128.load(square + o), f32x4.mul(c2, f32x4.mul(g, g)));
    const width = madd(f32x4.splat(spread), f32x4.sqrt(v), f32x4.splat(epsilon));
    const p = f32x4.mul(f32x4.splat(shrink), v128.load(parameter + o));
    storeLanes(nextMean + o, m, size - i);
    storeLanes(nextSquare + o, v, size - i);
    storeLanes(nextParameter + o, f32x4.sub(p, f32x4.div(f32x4.mul(f32x4.splat(rate), m), width)), size - i);
  }
}

/** Sum of squares in float64. */
export function sumOfSquares(x: usize, size: i32): f64 {
  let low = f64x2.splat(0), high = f64x2.splat(0);
  let i = 0;
  for (; i + 4 <= size; i += 4) {
    const v = v128.load(x + (<usize>i << 2));
    const a = f64x2.promote_low_f32x4(v);
    const b = f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
  }
  const both = f64x2.add(low, high);
  let sum = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
  for (; i < size; i++) {
    const value = <f64>load<f32>(x + (<usize>i << 2));
    sum += value * value;
  }
  return sum;
}
