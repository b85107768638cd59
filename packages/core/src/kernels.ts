// Operations with one meaning and two realisations: a fused kernel where the backend has one under the operation's name
// (the runtime package brings some), and a composition of TensorFlow.js operations elsewhere. Both go through TensorFlow.js'
// kernel registry, so that gradients, profiling and memory accounting see one operation.
import * as tf from "@tensorflow/tfjs-core";

/** Inputs of an operation by name. */
export type KernelInputs = Record<string, tf.Tensor>;

/** An operation: its name, its composition and, where it is differentiable as a whole, its gradient. */
export interface OperationDefinition<Attrs extends object> {
  /** The name in the kernel registry; a backend overrides the composition by registering a kernel of this name. */
  readonly name: string;
  /** Computes the outputs out of TensorFlow.js operations. */
  compose(inputs: KernelInputs, attrs: Attrs): tf.Tensor[];
  /** The gradient, by TensorFlow.js' own contract. */
  readonly gradient?: {
    readonly inputsToSave: string[];
    readonly outputsToSave: boolean[];
    gradFunc(dys: tf.Tensor[], saved: tf.Tensor[], attrs: Attrs): Record<string, () => tf.Tensor>;
  };
}

/**
 * Defines an operation that a backend may replace by a fused kernel.
 *
 * @param definition name, composition and gradient
 * @returns a function that runs it on the current backend and returns its outputs
 * @example const square = defineOperation({ name: "MySquare", compose: ({ x }) => [tf.square(x!)] });
 */
export function defineOperation<Attrs extends object = Record<string, never>>(
  definition: OperationDefinition<Attrs>,
): (inputs: KernelInputs, attrs: Attrs) => tf.Tensor[] {
  const { name, compose, gradient } = definition;
  return (inputs, attrs) => {
    const backendName = tf.getBackend();
    if (!tf.getKernel(name, backendName)) {
      tf.registerKernel({
        kernelName: name,
        backendName,
        kernelFunc: ({ inputs, attrs }) =>
          tf.tidy(() => compose(inputs as KernelInputs, attrs as unknown as Attrs)) as unknown as tf.TensorInfo[],
      });
    }
    if (gradient && !tf.getGradient(name)) {
      tf.registerGradient({
        kernelName: name,
        inputsToSave: gradient.inputsToSave,
        outputsToSave: gradient.outputsToSave,
        gradFunc: (dy, saved, attrs) =>
          gradient.gradFunc(Array.isArray(dy) ? dy : [dy], saved, attrs as unknown as Attrs),
      });
    }
    const out = tf.engine().runKernel(name, inputs as tf.NamedTensorMap, attrs as unknown as tf.NamedAttrMap);
    return (Array.isArray(out) ? out : [out]) as tf.Tensor[];
  };
}
