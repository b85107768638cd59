// tf.variableGrads with less memory, and for losses that may throw: TensorFlow.js keeps what its tape saved then, and nobody else can
// find it.
import * as tf from "@tensorflow/tfjs-core";
import { CaddetError, ShapeError } from "./errors";
import { backpropagate, freeTape, recordTape } from "./tape";

/**
 * The value of a loss and its gradients, as `tf.variableGrads`, to the bit. What the forward pass saved, and each gradient on the way,
 * is freed as soon as the walk back needs it no more, and all of it where the loss throws. First order only: a tape around it sees
 * nothing of it.
 *
 * @param loss computes a scalar
 * @param variables to differentiate by; those that are not trainable are left out
 * @returns the value, and a gradient by name for each variable on which it depends; all are the caller's
 * @throws what `loss` throws, ShapeError when it gives no scalar, CaddetError when it depends on none of the variables
 * @example const { value, grads } = variableGrads(() => objective().total, variables)
 */
export function variableGrads(loss: () => tf.Scalar, variables: tf.Variable[]): ReturnType<typeof tf.variableGrads> {
  const trained = variables.filter(({ trainable }) => trainable);
  return tf.tidy(() => {
    const { result: value, tape } = recordTape(loss);
    if (value.rank !== 0) {
      freeTape(tape);
      throw new ShapeError(`A loss must be a scalar, got [${value.shape}].`);
    }
    const found = backpropagate(tape, [value], [tf.scalar(1)], trained);
    const grads = trained.flatMap(({ name }, i) => (found[i] ? [[name, found[i]] as const] : []));
    if (grads.length === 0) {
      throw new CaddetError("gradients", "The loss depends on none of the variables: use them inside the function.");
    }
    return { value, grads: Object.fromEntries(grads) };
  });
}
