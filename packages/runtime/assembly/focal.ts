// Sigmoid focal loss and its gradient in one pass. With z = x for a background class and -x for the target, p = sigmoid(z)
// and s = softplus(z) = -log(1 - p), every entry is w p^gamma s, and its derivative by z is w p^gamma (gamma (1 - p) s + p).
import { expVector, log1pVector } from "./exponential";
import { laneSum, storeLanes, zero } from "./simd";

/** loss [rows] and gradient [rows, classes] of logits [rows, classes]; a label outside [0, classes) is background. */
export function focalLoss(
  logits: usize,
  labels: usize,
  loss: usize,
  gradient: usize,
  rows: i32,
  classes: i32,
  alpha: f32,
  gamma: f32,
): void {
  const step = <usize>classes << 2;
  const background = f32x4.splat(1 - alpha);
  const target = f32x4.splat(alpha);
  const signBit = i32x4.splat(<i32>0x80000000);
  const lanes = i32x4(0, 1, 2, 3);
  const one = f32x4.splat(1);
  const power = f32x4.splat(gamma);
  const square = gamma == 2;
  for (let r = 0; r < rows; r++) {
    const label = load<i32>(labels + (<usize>r << 2));
    let sum = zero();
    for (let c = 0; c < classes; c += 4) {
      const o = <usize>c << 2;
      const x = v128.load(logits + o);
      const isTarget = i32x4.eq(i32x4.add(lanes, i32x4.splat(c)), i32x4.splat(label));
      const sign = v128.and(isTarget, signBit);
      const z = v128.xor(x, sign);
      const e = expVector(f32x4.neg(f32x4.abs(z)));
      const log = log1pVector(e);
      const reciprocal = f32x4.div(one, f32x4.add(one, e));
      const positive = f32x4.ge(z, zero());
      const small = f32x4.mul(e, reciprocal);
      const p = v128.bitselect(reciprocal, small, positive);
      const rest = v128.bitselect(small, reciprocal, positive);
      const softplus = f32x4.add(f32x4.max(z, zero()), log);
      let modulator: v128;
      if (square) modulator = f32x4.mul(p, p);
      // p^gamma, with log p = min(z, 0) - log(1 + e).
      else modulator = expVector(f32x4.mul(power, f32x4.sub(f32x4.min(z, zero()), log)));
      const weight = f32x4.mul(v128.bitselect(target, background, isTarget), modulator);
      let entry = f32x4.mul(weight, softplus);
      const slope = f32x4.add(f32x4.mul(f32x4.mul(power, rest), softplus), p);
      storeLanes(gradient + o, v128.xor(f32x4.mul(weight, slope), sign), classes - c);
      // Lanes past the last class hold the next row, or nothing.
      if (classes - c < 4) {
        entry = v128.and(entry, i32x4.lt_s(lanes, i32x4.splat(classes - c)));
      }
      sum = f32x4.add(sum, entry);
    }
    store<f32>(loss + (<usize>r << 2), laneSum(sum));
    logits += step;
    gradient += step;
  }
}
