// Mean, extremes and standard deviation of a number over images.

/** How a number spreads over images. */
export interface Spread {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** Population standard deviation. */
  readonly std: number;
}

/**
 * Summarises numbers.
 *
 * @param values at least one
 * @returns mean, extremes, standard deviation
 * @example spreadOf([1, 3]) // { mean: 2, min: 1, max: 3, std: 1 }
 */
export function spreadOf(values: ArrayLike<number>): Spread {
  let [sum, min, max] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    min = Math.min(min, values[i]!);
    max = Math.max(max, values[i]!);
  }
  const mean = sum / values.length;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i]! - mean) ** 2;
  return { mean, min, max, std: Math.sqrt(squares / values.length) };
}
