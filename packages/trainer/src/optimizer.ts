// What all optimisers share: parameters by name, their slots (momenta and the like), gradient clipping, factors by kind of parameter,
// saved state. The update itself is a rule (sgd.ts, adamw.ts). TensorFlow.js' own optimisers have neither decay nor clipping.
import { CheckpointError, defineOperation, type Parameter, type ParameterKind, type StoredArray } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

const sumOfSquares = defineOperation({
  name: "CaddetSumOfSquares",
  compose: (inputs) => [tf.addN(Object.values(inputs).map((x) => tf.sum(tf.square(x))))],
});

/** Factors by kind of parameter. */
export type KindFactors = Readonly<Record<ParameterKind, number>>;

/** Options of every optimiser. */
export interface OptimizerOptions {
  /** Default 1e-4. */
  readonly weightDecay?: number;
  /** Largest L2 norm of all gradients together; null for no clipping. Default 35. */
  readonly clipNorm?: number | null;
  /** Factors on the learning rate, default 1; biases 2 as in FCOS' configuration. */
  readonly rateFactors?: Partial<KindFactors>;
  /** Factors on the weight decay, default weights 1, biases and norms 0. */
  readonly decayFactors?: Partial<KindFactors>;
}

/** One parameter's update. */
export interface UpdateInputs {
  readonly parameter: tf.Tensor;
  readonly gradient: tf.Tensor;
  readonly slots: readonly tf.Tensor[];
  /** `[]`: what clipping multiplies the gradient by. */
  readonly gradientScale: tf.Tensor;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** From 1. */
  readonly step: number;
}

/** How an optimiser moves a parameter. */
export interface UpdateRule {
  /** Tensors of the parameter's shape that it keeps, at first 0. */
  readonly slots: number;
  /** Returns the next parameter and the next slots. */
  update(inputs: UpdateInputs): tf.Tensor[];
  /** The same for all parameters together, where the backend can do that. */
  updateAll?(all: readonly UpdateInputs[]): tf.Tensor[][] | undefined;
}

/**
 * Updates all parameters by a backend's kernel `<name>All`, whose inputs are those of the kernel for one with numbers behind their names.
 *
 * @returns the next parameter and slots of each; undefined where the backend has no such kernel
 */
export function updateTogether(
  name: string,
  slotNames: readonly string[],
  all: readonly UpdateInputs[],
  attrs: Readonly<Record<string, number>>,
): tf.Tensor[][] | undefined {
  const kernel = `${name}All`;
  const [first] = all;
  if (!first || !tf.getKernel(kernel, tf.getBackend())) return undefined;
  const inputs: tf.NamedTensorMap = { gradientScale: first.gradientScale };
  for (const [i, { parameter, gradient, slots }] of all.entries()) {
    Object.assign(inputs, { [`parameter${i}`]: parameter, [`gradient${i}`]: gradient });
    for (const [k, slot] of slots.entries()) inputs[`${slotNames[k]}${i}`] = slot;
  }
  const lists = {
    learningRates: all.map(({ learningRate }) => learningRate),
    weightDecays: all.map(({ weightDecay }) => weightDecay),
  };
  const out: tf.Tensor[] = tf.engine().runKernel(kernel, inputs, { ...attrs, ...lists, step: first.step });
  const size = 1 + slotNames.length;
  return all.map((_, i) => out.slice(i * size, (i + 1) * size));
}

interface Slotted {
  readonly parameter: Parameter;
  readonly slots: readonly tf.Variable[];
}

const STEPS = "#steps";
const slotKey = (name: string, slot: number) => (slot === 0 ? name : `${name}#${slot}`);

/** An optimiser over named parameters. It owns the slots, not the parameters. */
export class Optimizer {
  readonly #entries: ReadonlyMap<string, Slotted>;
  readonly #rule: UpdateRule;
  readonly #weightDecay: number;
  readonly #clipNorm: number | null;
  readonly #rateFactors: KindFactors;
  readonly #decayFactors: KindFactors;
  #steps = 0;

  constructor(parameters: ReadonlyMap<string, Parameter>, rule: UpdateRule, options: OptimizerOptions = {}) {
    const { weightDecay = 1e-4, clipNorm = 35, rateFactors, decayFactors } = options;
    this.#rule = rule;
    this.#weightDecay = weightDecay;
    this.#clipNorm = clipNorm;
    this.#rateFactors = { weight: 1, bias: 2, norm: 1, ...rateFactors };
    this.#decayFactors = { weight: 1, bias: 0, norm: 0, ...decayFactors };
    const zeros = (shape: number[]) => tf.tidy(() => tf.variable(tf.zeros(shape), false));
    this.#entries = new Map(
      [...parameters].map(([name, parameter]) => {
        const slots = Array.from({ length: rule.slots }, () => zeros(parameter.variable.shape));
        return [name, { parameter, slots }];
      }),
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
    this.#steps++;
    tf.tidy(() => {
      const clip = this.#clipNorm;
      const gradientScale = clip === null ? tf.scalar(1) : tf.minimum(1, tf.div(clip, tf.add(norm, 1e-6)));
      const updates = [...this.#entries.values()].flatMap(({ parameter, slots }) => {
        const { variable, kind, learningRateMultiplier, decayMultiplier } = parameter;
        const gradient = gradients[variable.name];
        if (!gradient) return [];
        const inputs = {
          parameter: variable,
          gradient,
          slots,
          gradientScale,
          learningRate: learningRate * this.#rateFactors[kind] * learningRateMultiplier,
          weightDecay: this.#weightDecay * this.#decayFactors[kind] * decayMultiplier,
          step: this.#steps,
        };
        return [{ variable, slots, inputs }];
      });
      const together = this.#rule.updateAll?.(updates.map(({ inputs }) => inputs));
      for (const [k, { variable, slots, inputs }] of updates.entries()) {
        const [next, ...moved] = together?.[k] ?? this.#rule.update(inputs);
        variable.assign(next!);
        for (const [i, slot] of slots.entries()) slot.assign(moved[i]!);
      }
    });
  }

  #slots(): Map<string, tf.Variable> {
    const named = [...this.#entries].flatMap(([name, { slots }]) =>
      slots.map((slot, i) => [slotKey(name, i), slot] as const),
    );
    return new Map(named);
  }

  /** Copies the slots off the device: the first by the parameter's name, further ones by name and number; and the steps done. */
  async readState(): Promise<Map<string, StoredArray>> {
    const entries = [...this.#slots()];
    const arrays = await Promise.all(entries.map(([, v]) => v.data<"float32">()));
    const steps: StoredArray = { dtype: "I32", shape: [1], data: Int32Array.of(this.#steps) };
    return new Map<string, StoredArray>([
      ...entries.map(([name, v], i): [string, StoredArray] => [
        name,
        { dtype: "F32", shape: v.shape, data: arrays[i]!.slice() },
      ]),
      [STEPS, steps],
    ]);
  }

  /**
   * Takes back what {@link readState} gave.
   *
   * @throws CheckpointError when a name, type or shape differs; nothing is changed then
   */
  loadState(state: ReadonlyMap<string, StoredArray>): void {
    const slots = this.#slots();
    for (const [name, v] of slots) {
      const stored = state.get(name);
      if (stored?.dtype !== "F32" || stored.shape.join() !== v.shape.join()) {
        const got = stored ? `${stored.dtype} [${stored.shape}]` : "nothing";
        throw new CheckpointError(
          `The optimiser's state of "${name}" should be F32 [${v.shape}], got ${got}. It belongs to another model.`,
          { name },
        );
      }
    }
    const steps = state.get(STEPS);
    if (steps?.dtype !== "I32" || steps.data.length !== 1) {
      throw new CheckpointError("The optimiser's state does not say how many steps were done.", { name: STEPS });
    }
    for (const [name, v] of slots) {
      const { data, shape } = state.get(name)!;
      tf.tidy(() => v.assign(tf.tensor(data as Float32Array, [...shape], "float32")));
    }
    this.#steps = Number(steps.data[0]);
  }

  /** Frees the slots. */
  dispose(): void {
    for (const v of this.#slots().values()) v.dispose();
  }
}
