// Weights of another training into a module: what fits is taken, the rest is told. Pre-trained backbones and heads for other classes
// come in this way; a detector's own file is read whole by file.ts.
import { CheckpointError, type LoadReport, type Module, type StoredArray } from "@caddet/core";

/** Which names were taken. */
export interface WeightsReport extends LoadReport {
  /** Names that both have, with other shapes. */
  readonly mismatched: readonly string[];
}

/** Options of {@link loadWeights}. */
export interface LoadWeightsOptions {
  /** Every name and shape must match. Default false: what fits is taken, and something must. */
  readonly strict?: boolean;
}

/**
 * Loads weights by name.
 *
 * @param module a detector, or a part of one
 * @param state arrays by name, in the module's layout
 * @param options whether all must match
 * @returns what was loaded, missing in the state, unknown to the module, or of another shape
 * @throws CheckpointError when nothing matches, when an array is not float32, and when strict on any difference; nothing is changed then
 * @example const { loaded, missing } = loadWeights(detector, readDetectorFile(bytes).arrays);
 */
export function loadWeights(
  module: Module,
  state: ReadonlyMap<string, StoredArray>,
  { strict = false }: LoadWeightsOptions = {},
): WeightsReport {
  if (strict) return { ...module.loadStateDict(state), mismatched: [] };
  const own = module.stateDict();
  const mismatched = [...state]
    .filter(([name, { shape }]) => own.has(name) && own.get(name)!.shape.join() !== shape.join())
    .map(([name]) => name);
  const fitting = new Map([...state].filter(([name]) => !mismatched.includes(name)));
  if (![...fitting.keys()].some((name) => own.has(name))) {
    const some = (names: Iterable<string>) => [...names].slice(0, 3).join(", ");
    throw new CheckpointError(
      `None of the ${state.size} arrays fits: the file has ${some(state.keys())}, …, the model needs ${some(own.keys())}, …`,
      { mismatched },
    );
  }
  const { loaded, missing, unexpected } = module.loadStateDict(fitting, { strict: false });
  return { loaded, missing: missing.filter((name) => !mismatched.includes(name)), unexpected, mismatched };
}
