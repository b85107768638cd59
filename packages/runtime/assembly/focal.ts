// Sigmoid focal loss and its gradient in one pass. With z = x for a background class and -x for the target, p = sigmoid(z)
// and s = softplus(z) = -log(1 - p), every entry is w p^gamma s, and its derivative by z is w p^gamma (gamma (1 - p) s + p).
import { EXPONENTIAL_TABLE, expVector, fillExponentialTable, log1pVector } from "./exponential";
import { laneSum, storeLanes, zero } from "./simd";

export const FOCAL_SCRATCH: i32 = EXPONENTIAL_TABLE;

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
  scratch: usize,
): void {
  fillExponentialTable(scratch);
  if (gamma == 2) focalRows(logits, labels, loss, gradient, rows, classes, alpha, gamma, true, scratch);
  else focalRows(logits, labels, loss, gradient, rows, classes, alpha, gamma, false, scratch);
}

// @ts-ignore: decorator
@inline
function focalRows(
  logits: usize,
  labels: usize,
  loss: usize,
  gradient: usize,
  rows: i32,
  classes: i32,
  alpha: f32,
  gamma: f32,
  square: bool,
  table: usize,
): void {
  const step = <usize>classes << 2;
  const background = f32x4.splat(1 - alpha);
  const target = f32x4.splat(alpha);
  const power = f32x4.splat(gamma);
  const lanes = i32x4(0, 1, 2, 3);
  for (let r = 0; r < rows; r++) {
    // The lane of the target, counted down to 0 .. 3 as the columns go by.
    let lane = i32x4.splat(load<i32>(labels + (<usize>r << 2)));
    let sum = zero();
    for (let c = 0; c < classes; c += 4) {
      const o = <usize>c << 2;
      const isTarget = i32x4.eq(lanes, lane);
      lane = i32x4.sub(lane, i32x4.splat(4));
      const sign = i32x4.shl(isTarget, 31);
      const z = v128.xor(v128.load(logits + o), sign);
      const low = f32x4.pmin(z, zero());
      const high = f32x4.sub(z, low);
      const e = expVector(f32x4.sub(low, high), table);
      const one = v128.load32_splat(table, 44);
      const onePlus = f32x4.add(one, e);
      const twoPlus = f32x4.add(one, onePlus);
      const quotient = f32x4.div(one, f32x4.mul(onePlus, twoPlus));
      const log = log1pVector(f32x4.mul(e, f32x4.mul(onePlus, quotient)), table);
      const reciprocal = f32x4.mul(twoPlus, quotient);
      const small = f32x4.mul(e, reciprocal);
      const negative = f32x4.lt(z, zero());
      const p = v128.bitselect(small, reciprocal, negative);
      const rest = v128.bitselect(reciprocal, small, negative);
      const softplus = f32x4.add(high, log);
      // p^gamma, with log p = min(z, 0) - log(1 + e).
      const modulator = square ? f32x4.mul(p, p) : expVector(f32x4.mul(power, f32x4.sub(low, log)), table);
      const weight = f32x4.mul(v128.bitselect(target, background, isTarget), modulator);
      let entry = f32x4.mul(weight, softplus);
      const slope = f32x4.add(f32x4.mul(f32x4.mul(power, rest), softplus), p);
      storeLanes(gradient + o, v128.xor(f32x4.mul(weight, slope), sign), classes - c);
      // Lanes past the last class hold the next row, or nothing.
      if (classes - c < 4) entry = v128.and(entry, i32x4.lt_s(lanes, i32x4.splat(classes - c)));
      sum = f32x4.add(sum, entry);
    }
    store<f32>(loss + (<usize>r << 2), laneSum(sum));
    logits += step;
    gradient += step;
  }
}
