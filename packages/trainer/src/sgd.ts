// Stochastic gradient descent with momentum, weight decay and gradient clipping, as torch.optim.SGD and mmcv's optimizer hook do it:
// g = clip · gradient + decay · p; m = momentum · m + g; p = p − rate · m. TensorFlow.js has neither decay nor clipping.
import { CheckpointError, defineOperation, type Parameter, type ParameterKind, type StoredArray } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

interface SgdAttrs {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

const sgdUpdate = defineOperation<SgdAttrs>({
  name: "CaddetSgd",
  compose: ({ parameter, gradient, momentum, gradientScale }, attrs) => {
    const g = tf.add(tf.mul(gradient!, gradientScale!), tf.mul(parameter!, attrs.weightDecay));
    const m = tf.add(tf.mul(momentum!, attrs.momentum), g);
    return [tf.sub(parameter!, tf.mul(m, attrs.learningRate)), m];
  },
});

const sumOfSquares = defineOperation({
  name: "CaddetSumOfSquares",
  compose: (inputs) => [tf.addN(Object.values(inputs).map((x) => tf.sum(tf.square(x))))],
});

/** Factors by kind of parameter. */
export type KindFactors = Readonly<Record<ParameterKind, number>>;

/** Options of {@link createSgd}. */
export interface SgdOptions {
  /** Default 0.9. */
  readonly momentum?: number;
  /** Default 1e-4. */
  readonly weightDecay?: number;
  /** Largest L2 norm of all gradients together; null for no clipping. Default 35. */
  readonly clipNorm?: number | null;
  /** Factors on the learning rate, default 1; biases 2 as in FCOS' configuration. */
  readonly rateFactors?: Partial<KindFactors>;
  /** Factors on the weight decay, default weights 1, biases and norms 0. */
  readonly decayFactors?: Partial<KindFactors>;
}

/** An optimiser over named parameters. It owns the momentum, not the parameters. */
export class Sgd {
  readonly #parameters: ReadonlyMap<string, Parameter>;
  readonly #momenta: Map<string, tf.Variable>;
  readonly #options: Required<Omit<SgdOptions, "rateFactors" | "decayFactors">>;
  readonly #rateFactors: KindFactors;
  readonly #decayFactors: KindFactors;

  constructor(parameters: ReadonlyMap<string, Parameter>, options: SgdOptions = {}) {
    const { momentum = 0.9, weightDecay = 1e-4, clipNorm = 35, rateFactors, decayFactors } = options;
    this.#parameters = parameters;
    this.#options = { momentum, weightDecay, clipNorm };
    this.#rateFactors = { weight: 1, bias: 2, norm: 1, ...rateFactors };
    this.#decayFactors = { weight: 1, bias: 0, norm: 0, ...decayFactors };
    this.#momenta = new Map(
      [...parameters].map(([name, { variable }]) => [
        name,
        tf.tidy(() => tf.variable(tf.zeros(variable.shape), false)),
      ]),
    );
  }

  /**
   * The L2 norm of all gradients together.
   *
   * @param gradients by the names of their variables, as `tf.variableGrads` gives them
   * @returns a scalar, the caller's
   */
  gradientNorm(gradients: tf.NamedTensorMap): tf.Scalar {
    return tf.tidy(() => {
      const inputs = Object.fromEntries(Object.values(gradients).map((g, i) => [`x${i}`, g]));
      return tf.sqrt(sumOfSquares(inputs, {})[0] as tf.Scalar);
    });
  }

  /**
   * Updates the parameters that have a gradient.
   *
   * @param gradients by the names of their variables; they stay the caller's
   * @param norm what {@link gradientNorm} gave for them
   * @param learningRate of this iteration
   */
  step(gradients: tf.NamedTensorMap, norm: tf.Scalar, learningRate: number): void {
    const { momentum, weightDecay, clipNorm } = this.#options;
    tf.tidy(() => {
      const gradientScale = clipNorm === null ? tf.scalar(1) : tf.minimum(1, tf.div(clipNorm, tf.add(norm, 1e-6)));
      for (const [name, { variable, kind, learningRateMultiplier, decayMultiplier }] of this.#parameters) {
        const gradient = gradients[variable.name];
        if (!gradient) continue;
        const buffer = this.#momenta.get(name)!;
        const [next, moved] = sgdUpdate(
          { parameter: variable, gradient, momentum: buffer, gradientScale },
          {
            learningRate: learningRate * this.#rateFactors[kind] * learningRateMultiplier,
            momentum,
            weightDecay: weightDecay * this.#decayFactors[kind] * decayMultiplier,
          },
        );
        variable.assign(next!);
        buffer.assign(moved!);
      }
    });
  }

  /** Copies the momenta off the device, by parameter name. */
  async readState(): Promise<Map<string, StoredArray>> {
    const entries = [...this.#momenta];
    const arrays = await Promise.all(entries.map(([, v]) => v.data<"float32">()));
    return new Map(entries.map(([name, v], i) => [name, { dtype: "F32", shape: v.shape, data: arrays[i]!.slice() }]));
  }

  /**
   * Takes back what {@link readState} gave.
   *
   * @throws CheckpointError when a name, type or shape differs; nothing is changed then
   */
  loadState(state: ReadonlyMap<string, StoredArray>): void {
    for (const [name, v] of this.#momenta) {
      const stored = state.get(name);
      if (stored?.dtype !== "F32" || stored.shape.join() !== v.shape.join()) {
        const got = stored ? `${stored.dtype} [${stored.shape}]` : "nothing";
        throw new CheckpointError(
          `The optimiser's state of "${name}" should be F32 [${v.shape}], got ${got}. It belongs to another model.`,
          { name },
        );
      }
    }
    for (const [name, v] of this.#momenta) {
      const { data, shape } = state.get(name)!;
      tf.tidy(() => v.assign(tf.tensor(data as Float32Array, [...shape], "float32")));
    }
  }

  /** Frees the momenta. */
  dispose(): void {
    for (const v of this.#momenta.values()) v.dispose();
  }
}

/**
 * Makes an optimiser with zero momentum.
 *
 * @param parameters by name, as `Module.namedParameters()` gives them
 * @param options momentum, decay, clipping, factors by kind
 * @returns the optimiser; dispose it when done
 * @example createSgd(detector.namedParameters(), { weightDecay: 1e-4 })
 */
export function createSgd(parameters: ReadonlyMap<string, Parameter>, options?: SgdOptions): Sgd {
  return new Sgd(parameters, options);
}
