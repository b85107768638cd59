// From row, base and seed to a run's whole configuration. A setting on the command line counts for all rows alike, so one in which the rows
// differ is refused.
import { ConfigError } from "@caddet/core";
import { type ModelConfig, parseModelConfig } from "@caddet/detector";
import { parseTrainConfig, setConfigValue, type TrainConfig, type TrainConfigInput } from "@caddet/trainer";
import type { Base } from "./bases";
import { parts } from "./parts";
import type { Row, Table } from "./tables";

/** A run's configuration with every default filled in, the model's as well. */
export type RunConfig = TrainConfig & { readonly model: ModelConfig };

/** What counts for all rows beside the base. */
export interface Settings {
  /** `path=value`, as for `caddet train --set`. */
  readonly set: readonly string[];
  /** C0 of every row times this. Default 1: the paper's. */
  readonly budgetFactor: number;
}

// What rows decide. A place within one of these, or around one, is theirs as well.
const OF_ROWS = ["seed", "budget.mapping", "budget.ratio", "similarity", "recipe"];
const OF_MODELS = ["model.backbone.type", "model.head.type"];

const HINTS: Readonly<Record<string, string>> = {
  seed: "; --seeds sets it.",
  "budget.ratio": "; --budget-factor moves it in all rows.",
};

const overlaps = (a: string, b: string) => a === b || a.startsWith(`${b}.`) || b.startsWith(`${a}.`);

/**
 * Refuses settings in which the rows of a table differ.
 *
 * @param table the table
 * @param set assignments
 * @throws ConfigError that names the setting
 */
export function checkSettings({ id, rows }: Table, set: readonly string[]): void {
  for (const assignment of set) {
    const path = assignment.slice(0, assignment.indexOf("="));
    const taken = [...OF_ROWS, ...OF_MODELS].find((own) => overlaps(path, own));
    if (taken === undefined) continue;
    // The weight of what a row leaves out is 0.
    if (path === "similarity.weight" && rows.every(({ similarity }) => similarity)) continue;
    throw new ConfigError(
      `--set ${assignment}: the rows of Table ${id} decide about ${taken}. Leave it out${HINTS[taken] ?? "."}`,
      { setting: path },
    );
  }
}

/**
 * A run's configuration.
 *
 * @param row what it is about
 * @param base what it shares with the other rows
 * @param seed of weights, order and mirroring
 * @param settings what else counts for all rows
 * @returns the whole configuration
 * @throws ConfigError when a setting is not usable
 * @example rowConfig(TABLES[0]!.rows[0]!, baseOf("drawn", 1), 0, { set: [], budgetFactor: 1 })
 */
export function rowConfig(row: Row, base: Base, seed: number, { set, budgetFactor }: Settings): RunConfig {
  const training = base.training[row.head];
  const input: TrainConfigInput = {
    ...training,
    seed,
    model: { backbone: base.backbones[row.backbone], head: base.heads[row.head] },
    budget: {
      ...training.budget,
      ...(row.budget ? { mapping: row.budget.mapping, ratio: row.budget.ratio * budgetFactor } : {}),
    },
    similarity: { ...training.similarity, ...(row.similarity ?? { weight: 0 }) },
  };
  const config = parseTrainConfig(set.reduce(setConfigValue, input));
  return { ...config, model: parseModelConfig(config.model, parts) };
}
