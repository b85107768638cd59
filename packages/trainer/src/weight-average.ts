// The exponential moving average of a module's weights and buffers (Polyak and Juditsky 1992, as in Inception's training): detects
// better than the last weights do. Its decay rises with the steps, so that a short run is not held back by its first weights.
import { CheckpointError, type Module, type StoredArray } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

/** How much of the average stays at a step: `min(decay, (1 + step) / (10 + step))`. `step` from 1. */
export function averageDecay(decay: number, step: number): number {
  return Math.min(decay, (1 + step) / (10 + step));
}

/** The average of a module's state. It owns the averages, not the module. */
export class WeightAverage {
  readonly #decay: number;
  readonly #entries: ReadonlyMap<string, { readonly live: tf.Variable; readonly average: tf.Variable }>;

  constructor(module: Module, decay: number) {
    this.#decay = decay;
    this.#entries = new Map(
      [...module.stateDict()].map(([name, live]) => [name, { live, average: tf.variable(live, false) }]),
    );
  }

  /** Follows the module after an update. `step` from 1. */
  update(step: number): void {
    const rate = 1 - averageDecay(this.#decay, step);
    tf.tidy(() => {
      for (const { live, average } of this.#entries.values()) {
        average.assign(tf.add(average, tf.mul(tf.sub(live, average), rate)));
      }
    });
  }

  /** Exchanges the module's values and the averages; a second call takes it back. */
  swap(): void {
    for (const { live, average } of this.#entries.values()) {
      tf.tidy(() => {
        const value = tf.clone(live);
        live.assign(average);
        average.assign(value);
      });
    }
  }

  /** Copies off the device what lies here: the averages, or while they are exchanged the module's own values. */
  async readState(): Promise<Map<string, StoredArray>> {
    const entries = [...this.#entries];
    const arrays = await Promise.all(entries.map(([, { average }]) => average.data<"float32">()));
    return new Map(
      entries.map(([name, { average }], i) => [
        name,
        { dtype: "F32", shape: average.shape, data: arrays[i]!.slice() } as const,
      ]),
    );
  }

  /**
   * Says whether {@link loadState} would take a state.
   *
   * @throws CheckpointError when a name, type or shape differs
   */
  checkState(state: ReadonlyMap<string, StoredArray>): void {
    for (const [name, { average }] of this.#entries) {
      const stored = state.get(name);
      if (stored?.dtype === "F32" && stored.shape.join() === average.shape.join()) continue;
      throw new CheckpointError(
        `The average of "${name}" should be F32 [${average.shape}], got ${stored ? `${stored.dtype} [${stored.shape}]` : "nothing"}. ` +
          "The checkpoint belongs to another model, or to a run without averages.",
        { name },
      );
    }
  }

  /**
   * Takes averages over.
   *
   * @throws CheckpointError when a name, type or shape differs; nothing is changed then
   */
  loadState(state: ReadonlyMap<string, StoredArray>): void {
    this.checkState(state);
    for (const [name, { average }] of this.#entries) {
      const { data, shape } = state.get(name)!;
      tf.tidy(() => average.assign(tf.tensor(data as Float32Array, [...shape], "float32")));
    }
  }

  /** Frees the averages. */
  dispose(): void {
    for (const { average } of this.#entries.values()) average.dispose();
  }
}
