// Mean and confidence interval of a few seeds' numbers, by Student's t.
import { ConfigError } from "@caddet/core";

/** A mean with what is known of its precision. */
export interface Estimate {
  readonly mean: number;
  /** Half the width of the 95 % confidence interval; null for a single number, which has none. */
  readonly half: number | null;
  readonly n: number;
}

// P(|T| <= t) with theta = atan(t / sqrt(df)), a finite sum for whole df: Abramowitz and Stegun, 26.7.3 and 26.7.4.
function centralProbability(theta: number, df: number): number {
  const isOdd = df % 2 === 1;
  const cos = Math.cos(theta);
  let term = isOdd ? cos : 1;
  let sum = df === 1 ? 0 : term;
  for (let k = isOdd ? 3 : 2; k <= df - 2; k += 2) {
    term *= ((k - 1) / k) * cos * cos;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (theta + Math.sin(theta) * sum) : Math.sin(theta) * sum;
}

/**
 * The quantile of Student's t for an interval around 0.
 *
 * @param df degrees of freedom, an integer from 1
 * @param confidence the interval's probability, between 0 and 1; default 0.95
 * @returns the t with P(-t <= T <= t) = confidence
 * @throws ConfigError when df or confidence are impossible
 * @example studentT(2) // 4.303
 */
export function studentT(df: number, confidence = 0.95): number {
  if (!Number.isSafeInteger(df) || df < 1 || !(confidence > 0 && confidence < 1)) {
    throw new ConfigError(
      `Student's t needs an integer df from 1 and a confidence in (0, 1), got ${df}, ${confidence}.`,
    );
  }
  let [low, high] = [0, Math.PI / 2];
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (centralProbability(middle, df) < confidence) low = middle;
    else high = middle;
  }
  return Math.tan(low) * Math.sqrt(df);
}

/**
 * Estimates a mean.
 *
 * @param values at least one
 * @returns the mean and its 95 % confidence interval
 * @throws ConfigError when there is none
 * @example estimate([1, 2, 3]) // { mean: 2, half: 2.48, n: 3 }
 */
export function estimate(values: readonly number[]): Estimate {
  const n = values.length;
  if (n === 0) throw new ConfigError("There is no number to take the mean of.");
  const mean = values.reduce((a, b) => a + b, 0) / n;
  if (n === 1) return { mean, half: null, n };
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (n - 1);
  return { mean, half: studentT(n - 1) * Math.sqrt(variance / n), n };
}
