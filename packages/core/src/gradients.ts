// tf.variableGrads for losses that may throw: TensorFlow.js keeps what its tape saved for the backward pass then, and nobody else
// can find it.
import * as tf from "@tensorflow/tfjs-core";

/**
 * The value of a loss and its gradients, as `tf.variableGrads`; where the loss throws, all that the forward pass saved is freed.
 *
 * @param loss computes a scalar
 * @param variables to differentiate by
 * @returns the value and a gradient a variable, by name; all are the caller's
 * @throws what `loss` throws
 * @example const { value, grads } = variableGrads(() => objective().total, variables)
 */
export function variableGrads(loss: () => tf.Scalar, variables: tf.Variable[]): ReturnType<typeof tf.variableGrads> {
  try {
    return tf.variableGrads(loss, variables);
  } catch (error) {
    const { gradientDepth, activeTape } = tf.engine().state;
    if (gradientDepth === 0 && activeTape) {
      for (const { saved } of activeTape) tf.dispose(saved ?? []);
    }
    throw error;
  }
}
