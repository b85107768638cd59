// The mean of a list of numbers, and Pearson's correlation of two.
import { ShapeError } from "@caddet/core";

/** The mean of at least one number. */
export function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, v) => sum + v, 0) / values.length;
}

/**
 * How far one list follows the other along a line.
 *
 * @param a at least two numbers
 * @param b as many
 * @returns -1 to 1; 0 where one of them does not vary
 * @throws ShapeError when the lists differ in length or are too short
 * @example correlation([1, 2, 3], [2, 4, 6]) // 1
 */
export function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  if (n < 2 || b.length !== n)
    throw new ShapeError(`Correlation needs two lists of one length, at least 2, got ${n} and ${b.length}.`);
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [da, db] = [a[i]! - meanA, b[i]! - meanB];
    ab += da * db;
    aa += da * da;
    bb += db * db;
  }
  // A constant's deviations are the rounding of its mean.
  const isConstant = aa <= n * (1e-12 * meanA) ** 2 || bb <= n * (1e-12 * meanB) ** 2;
  return isConstant ? 0 : ab / Math.sqrt(aa * bb);
}
