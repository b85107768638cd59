// A tree of named tensors: parameters that are trained, buffers that are not, and children. It knows nothing of forward passes;
// a module adds its own.
import * as tf from "@tensorflow/tfjs-core";
import { CheckpointError } from "./errors";
import type { StoredArray } from "./safetensors";

/** What a parameter is, so that an optimiser can treat weights, biases and norms apart. */
export type ParameterKind = "weight" | "bias" | "norm";

/** A trained tensor. */
export interface Parameter {
  readonly variable: tf.Variable;
  readonly kind: ParameterKind;
  /** Factor on the optimiser's learning rate. */
  readonly learningRateMultiplier: number;
  /** Factor on the optimiser's weight decay. */
  readonly decayMultiplier: number;
}

/** Which names of a state matched. */
export interface LoadReport {
  readonly loaded: readonly string[];
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
}

type Multipliers = Partial<Pick<Parameter, "learningRateMultiplier" | "decayMultiplier">>;

/** A part of a network that owns tensors. Names of nested tensors are joined by dots. */
export abstract class Module {
  readonly #parameters = new Map<string, Parameter>();
  readonly #buffers = new Map<string, tf.Variable>();
  readonly #children = new Map<string, Module>();

  /** Registers a trained tensor and takes ownership of `value`. */
  protected parameter<R extends tf.Rank>(
    name: string,
    value: tf.Tensor<R>,
    kind: ParameterKind,
    { learningRateMultiplier = 1, decayMultiplier = 1 }: Multipliers = {},
  ): tf.Variable<R> {
    const variable = tf.variable(value);
    value.dispose();
    this.#parameters.set(name, { variable, kind, learningRateMultiplier, decayMultiplier });
    return variable;
  }

  /** Registers a tensor that is saved but not trained and takes ownership of `value`. */
  protected buffer<R extends tf.Rank>(name: string, value: tf.Tensor<R>): tf.Variable<R> {
    const variable = tf.variable(value, false);
    value.dispose();
    this.#buffers.set(name, variable);
    return variable;
  }

  /** Registers a part; it is disposed with this module. */
  protected child<M extends Module>(name: string, module: M): M {
    this.#children.set(name, module);
    return module;
  }

  /** This module and all below it, parents first. */
  *modules(): Generator<Module, void, undefined> {
    yield this;
    for (const m of this.#children.values()) yield* m.modules();
  }

  /** All trained tensors below this module, by dotted name, in the order of their registration. */
  namedParameters(prefix = ""): Map<string, Parameter> {
    const out = new Map<string, Parameter>();
    for (const [name, p] of this.#parameters) out.set(prefix + name, p);
    for (const [name, m] of this.#children) {
      for (const [k, v] of m.namedParameters(`${prefix}${name}.`)) out.set(k, v);
    }
    return out;
  }

  /** All buffers below this module, by dotted name. */
  namedBuffers(prefix = ""): Map<string, tf.Variable> {
    const out = new Map<string, tf.Variable>();
    for (const [name, v] of this.#buffers) out.set(prefix + name, v);
    for (const [name, m] of this.#children) {
      for (const [k, v] of m.namedBuffers(`${prefix}${name}.`)) out.set(k, v);
    }
    return out;
  }

  /** The live parameters and buffers by name. They stay the module's: do not dispose them. */
  stateDict(): Map<string, tf.Variable> {
    const out = new Map<string, tf.Variable>();
    for (const [name, p] of this.namedParameters()) out.set(name, p.variable);
    for (const [name, v] of this.namedBuffers()) out.set(name, v);
    return out;
  }

  /**
   * Says which names of a state match, and fails where {@link loadStateDict} would. Nothing is changed.
   *
   * @param state arrays by name, in this module's layout
   * @param options `strict` (default true) refuses missing and unexpected names
   * @returns which names match
   * @throws CheckpointError on a shape or type that differs, and on names that do not match when strict
   */
  checkStateDict(
    state: ReadonlyMap<string, Pick<StoredArray, "shape" | "data">>,
    { strict = true }: { readonly strict?: boolean } = {},
  ): LoadReport {
    const own = this.stateDict();
    const loaded = [...own.keys()].filter((name) => state.has(name));
    const missing = [...own.keys()].filter((name) => !state.has(name));
    const unexpected = [...state.keys()].filter((name) => !own.has(name));
    if (strict && missing.length + unexpected.length > 0) {
      const some = (names: string[]) => names.slice(0, 5).join(", ") + (names.length > 5 ? ", …" : "");
      throw new CheckpointError(
        `The weights belong to another model: ${missing.length} names are missing (${some(missing)}), ` +
          `${unexpected.length} are unknown (${some(unexpected)}).`,
        { missing, unexpected },
      );
    }
    for (const name of loaded) {
      const { shape, data } = state.get(name)!;
      const want = own.get(name)!.shape;
      if (shape.length !== want.length || shape.some((d, i) => d !== want[i])) {
        throw new CheckpointError(`"${name}" has shape [${shape}], this model needs [${want}].`, { name, shape, want });
      }
      if (!(data instanceof Float32Array)) {
        throw new CheckpointError(`"${name}" is not float32; this model's weights are.`, { name });
      }
      const size = shape.reduce((a, b) => a * b, 1);
      if (data.length !== size) {
        throw new CheckpointError(`"${name}" of shape [${shape}] needs ${size} numbers, got ${data.length}.`, { name });
      }
    }
    return { loaded, missing, unexpected };
  }

  /**
   * Overwrites parameters and buffers by name.
   *
   * @param state arrays by name, in this module's layout
   * @param options `strict` (default true) refuses missing and unexpected names
   * @returns which names matched
   * @throws CheckpointError on a shape or type that differs, and on names that do not match when strict; nothing is changed then
   */
  loadStateDict(
    state: ReadonlyMap<string, Pick<StoredArray, "shape" | "data">>,
    options: { readonly strict?: boolean } = {},
  ): LoadReport {
    const report = this.checkStateDict(state, options);
    const own = this.stateDict();
    for (const name of report.loaded) {
      const { shape, data } = state.get(name)!;
      tf.tidy(() => own.get(name)!.assign(tf.tensor(data as Float32Array, [...shape], "float32")));
    }
    return report;
  }

  /** Frees every tensor below this module. */
  dispose(): void {
    for (const p of this.#parameters.values()) p.variable.dispose();
    for (const v of this.#buffers.values()) v.dispose();
    for (const m of this.#children.values()) m.dispose();
  }
}

/**
 * Copies a module's parameters and buffers off the device.
 *
 * @param module the module to read
 * @returns float32 arrays by name, ready for `serializeSafetensors` or `loadStateDict`
 * @example serializeSafetensors(await readState(detector))
 */
export async function readState(module: Module): Promise<Map<string, StoredArray>> {
  const entries = [...module.stateDict()];
  const arrays = await Promise.all(entries.map(([, v]) => v.data<"float32">()));
  return new Map(entries.map(([name, v], i) => [name, { dtype: "F32", shape: v.shape, data: arrays[i]!.slice() }]));
}
