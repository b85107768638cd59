// The noise of the random gates: a logit plus a sample of the logistic distribution is positive with the probability
// sigmoid(logit), which is the Gumbel trick for two outcomes (Maddison et al. 2017, Section 3.2).
import { ConfigError, type Random } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

/** Draws `log u - log(1 - u)` with u uniform in (0, 1), row by row. `[B, K]` */
export function logisticNoise([b, k]: readonly [number, number], random: Random): tf.Tensor2D {
  const sample = () => {
    const u = random.next() + 2 ** -33; // the middle of the generator's step, so that neither end is reached
    return Math.log(u) - Math.log1p(-u);
  };
  return tf.tensor2d(Float32Array.from({ length: b * k }, sample), [b, k]);
}

/** Refuses a temperature that is not positive. */
export function checkTemperature(temperature: number, name: string): void {
  if (!(temperature > 0 && Number.isFinite(temperature))) {
    throw new ConfigError(`A gate's ${name} must be positive and finite, got ${temperature}. 2/3 is usual.`, {
      [name]: temperature,
    });
  }
}
