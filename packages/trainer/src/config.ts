// The configuration of a training run as plain data: checked, defaulted, saved with the run. Defaults are the paper's (§4.1) and
// mmdetection's FCOS configuration.
import { ConfigError } from "@caddet/core";
import { checkConfig } from "@caddet/core/schema";
import { z } from "zod";
import { overRecipe, RECIPE_NAMES } from "./recipes";

const natural = z.int().min(1);
const fraction = z.number().min(0).max(1);

const dataSchema = z.strictObject({
  /** The shorter side is resized to this many pixels … */
  shorter: natural.default(600),
  /** … unless the longer one would pass this. */
  longer: natural.default(1000),
  /** Instead of one `shorter`, several: one is drawn for each batch of training. */
  shorterSides: z.array(natural).default([]),
  /** Or any from the first to the second. */
  shorterRange: z.tuple([natural, natural]).nullable().default(null),
  batchSize: natural.default(16),
  /** Images that go through the network at once, where memory is short; the losses are those of the whole batch. */
  microBatch: natural.nullable().default(null),
  flip: fraction.default(0.5),
  /** Probability of four images in one (YOLOv4), before the other augmentations. */
  mosaic: fraction.default(0),
  /** Whether an image is cut to a random part with a least overlap with its boxes (SSD). */
  minIouCrop: z.boolean().default(false),
  /** Whether brightness, contrast, hue and saturation are changed at random (SSD). */
  photometric: z.boolean().default(false),
  /** Sides of a batch are padded to a multiple. */
  padTo: natural.default(64),
  mean: z.tuple([z.number(), z.number(), z.number()]).default([123.675, 116.28, 103.53]),
  std: z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]).default([58.395, 57.12, 57.375]),
  groupByAspect: z.boolean().default(true),
  /** Batches decoded ahead. */
  prefetch: natural.default(2),
});

const optimizerSchema = z.strictObject({
  type: z.enum(["sgd", "adamw"]).default("sgd"),
  lr: z.number().positive().default(0.01),
  /** Of SGD; AdamW's beta1. */
  momentum: z.number().min(0).lt(1).default(0.9),
  /** Of AdamW. */
  beta2: z.number().min(0).lt(1).default(0.999),
  weightDecay: z.number().min(0).default(1e-4),
  clipNorm: z.number().positive().nullable().default(35),
  biasLrFactor: z.number().min(0).default(2),
  biasDecayFactor: z.number().min(0).default(0),
  normDecayFactor: z.number().min(0).default(0),
});

const scheduleSchema = z.strictObject({
  epochs: natural.default(12),
  /** Ends the run after this many steps, whatever the epochs say. */
  maxSteps: natural.optional(),
  policy: z.enum(["step", "cosine", "constant"]).default("step"),
  milestones: z.array(natural).default([8, 11]),
  gamma: fraction.default(0.1),
  warmup: z.enum(["linear", "constant"]).default("linear"),
  warmupSteps: z.int().min(0).default(500),
  warmupRatio: fraction.default(0.001),
});

const budgetSchema = z.strictObject({
  /** "custom": the mapping that `createTrainer` is given; it says so by itself. */
  mapping: z.enum(["scale", "fixed", "loss", "custom"]).default("scale"),
  /** C0 / C_tot. */
  ratio: z.number().positive().max(1).default(0.05),
  /** Eq. 3 as printed ("mean": C0·Σs/m) or as Table 1 implies ("sum": C0·Σs). */
  reduce: z.enum(["mean", "sum"]).default("mean"),
  /** λ1. */
  weight: z.number().min(0).default(1),
  intervals: z.array(z.number().positive()).default([64, 150, 360]),
  pixels: z.enum(["input", "source"]).default("input"),
});

const similaritySchema = z.strictObject({
  /** λ2. */
  weight: z.number().min(0).default(1),
  min: fraction.default(0.6),
  max: fraction.default(0.95),
});

const batchNormSchema = z.strictObject({
  /**
   * "frozen" normalises by the running moments and leaves them alone; scales and shifts are trained either way. "synced" takes the batches
   * of all ranks together; who makes the ranks sees to it. Alone it is "batch".
   */
  mode: z.enum(["batch", "synced", "frozen"]).default("batch"),
  /** Batches over which the running moments are computed afresh at the end of a run; 0 for not at all. */
  preciseBatches: z.int().min(0).default(0),
});

const memorySchema = z.strictObject({
  /** "layer": the backbone keeps only the maps between its layers for the backward pass, and computes the rest once more there. */
  checkpoint: z.enum(["none", "layer"]).default("none"),
});

const emaSchema = z.strictObject({
  /** Of the moving average of the weights, which is then what is evaluated and saved; null for none. 0.9998 is usual. */
  decay: z.number().gt(0).lt(1).nullable().default(null),
});

const checkpointSchema = z.strictObject({
  /** Epochs between two checkpoints; one is always written at the end. */
  everyEpochs: natural.default(1),
  /** Steps between two checkpoints, beside those of the epochs; null for none. */
  everySteps: natural.nullable().default(null),
  /** The newest so many are kept. */
  keep: natural.default(3),
  /** The metric by which the best one is kept as well, such as "AP"; null for none. */
  best: z.string().min(1).nullable().default(null),
  /** Whether the highest or the lowest is the best. */
  bestIs: z.enum(["highest", "lowest"]).default("highest"),
});

// Which parts there are, and what each can be told, is known where a run is assembled.
const modelSchema = z.strictObject({
  backbone: z.looseObject({}).optional(),
  neck: z.looseObject({}).optional(),
  head: z.looseObject({}).optional(),
});

/** The schema of a training run's configuration. */
export const trainConfigSchema = z.strictObject({
  /** Settings by name, under those that are written; see RECIPES. */
  recipe: z.enum(RECIPE_NAMES).optional(),
  seed: z.int().default(0),
  /** The detector's; `parseModelConfig` of @caddet/detector checks it and fills in its defaults. */
  model: modelSchema.default({}),
  data: dataSchema.prefault({}),
  optimizer: optimizerSchema.prefault({}),
  schedule: scheduleSchema.prefault({}),
  budget: budgetSchema.prefault({}),
  similarity: similaritySchema.prefault({}),
  /** First epoch, from 0, with the two regularisers; the paper leaves them out of the first. */
  regularizeFromEpoch: z.int().min(0).default(1),
  batchNorm: batchNormSchema.prefault({}),
  memory: memorySchema.prefault({}),
  ema: emaSchema.prefault({}),
  checkpoint: checkpointSchema.prefault({}),
  /** What a loss or gradient that is not finite does: ends the run, leaves the batch out, or goes back to the last checkpoint as well. */
  onNonFinite: z.enum(["stop", "skip", "restore"]).default("stop"),
  /** A run with more of them ends all the same. */
  maxNonFinite: z.int().min(0).default(20),
  /** Steps over which tensors must not grow in number, from 4; 0 turns the check off. */
  leakSteps: z
    .int()
    .min(0)
    .refine((steps) => steps === 0 || steps >= 4, "must be 0 or at least 4")
    .default(32),
});

// Names by which people look for a setting.
const ALIASES = { learningRate: "lr" };

/** A run's configuration with every default filled in but the model's. */
export type TrainConfig = z.output<typeof trainConfigSchema>;

/** A run's configuration as one writes it. */
export type TrainConfigInput = z.input<typeof trainConfigSchema>;

/**
 * Types a configuration in a file; it is checked when it is loaded.
 *
 * @param config the configuration
 * @returns the same object
 * @example export default defineConfig({ model: { backbone: { preset: "small" } } });
 */
export function defineConfig(config: TrainConfigInput): TrainConfigInput {
  return config;
}

/**
 * Checks a run's configuration and fills in its defaults, those of its recipe first, but for `model`, which stays as it was written.
 *
 * @param input what someone wrote
 * @returns the whole configuration
 * @throws ConfigError that names the key, and for an unknown key the nearest known one
 * @example parseTrainConfig({ optimizer: { lr: 0.02 } })
 */
export function parseTrainConfig(input: unknown): TrainConfig {
  const config = checkConfig(trainConfigSchema, withRecipe(input), "training", { aliases: ALIASES });
  const { intervals } = config.budget;
  if (intervals.some((end, i) => end <= (intervals[i - 1] ?? 0))) {
    throw new ConfigError(`budget.intervals: the upper ends must be ascending, got [${intervals}].`);
  }
  const { min, max } = config.similarity;
  if (!(min > 0 && min <= max)) throw new ConfigError(`similarity: 0 < min <= max must hold, got ${min} and ${max}.`);
  checkSides(config.data);
  const { mode, preciseBatches } = config.batchNorm;
  if (mode === "frozen" && preciseBatches > 0) {
    throw new ConfigError(
      `batchNorm: frozen moments stay as they are, so that preciseBatches must be 0, got ${preciseBatches}.`,
    );
  }
  return config;
}

function withRecipe(input: unknown): unknown {
  if (typeof input !== "object" || input === null || !("recipe" in input)) return input;
  const name = RECIPE_NAMES.find((known) => known === input.recipe);
  return name ? overRecipe(name, input) : input;
}

function checkSides({ longer, shorter, shorterSides, shorterRange }: TrainConfig["data"]): void {
  if (shorterSides.length > 0 && shorterRange) {
    throw new ConfigError("data: shorterSides lists the sides, shorterRange bounds them; set one of the two.");
  }
  if (shorterRange && shorterRange[0] > shorterRange[1]) {
    throw new ConfigError(`data.shorterRange: the first must not be above the second, got [${shorterRange}].`);
  }
  const longest = Math.max(shorter, ...shorterSides, ...(shorterRange ?? []));
  if (longest > longer) {
    throw new ConfigError(`data: a shorter side must not be above data.longer, got ${longest} and ${longer}.`);
  }
}

/**
 * Sets one value by its dotted path, as `--set optimizer.lr=0.02` does.
 *
 * @param config a configuration as one writes it; it is not changed
 * @param assignment `path=value`; the value is JSON where it parses as JSON, else text
 * @returns a changed copy
 * @throws ConfigError when there is no `=`, or the path goes through a plain value or to no place of a list
 * @example setConfigValue({}, "schedule.maxSteps=20")
 */
export function setConfigValue(config: TrainConfigInput, assignment: string): TrainConfigInput {
  const at = assignment.indexOf("=");
  if (at < 1) throw new ConfigError(`--set takes path=value, got "${assignment}". Example: --set optimizer.lr=0.02`);
  const keys = assignment.slice(0, at).split(".");
  const text = assignment.slice(at + 1);
  let value: unknown = text;
  try {
    value = JSON.parse(text);
  } catch {
    // not JSON: the text itself
  }
  const copy = structuredClone(config) as Record<string, unknown>;
  let owner = copy;
  for (const [i, key] of keys.entries()) {
    if (key === "" || key === "__proto__") {
      throw new ConfigError(`--set ${assignment}: "${key}" is no configuration key.`);
    }
    if (Array.isArray(owner) && !(/^\d+$/.test(key) && Number(key) < owner.length)) {
      throw new ConfigError(
        `--set ${assignment}: "${key}" is no place of a list of ${owner.length}. Set the whole list, e.g. ` +
          `--set ${keys.slice(0, i).join(".")}=${JSON.stringify(owner)}.`,
      );
    }
    if (i === keys.length - 1) {
      owner[key] = value;
      continue;
    }
    const next = Object.hasOwn(owner, key) ? owner[key] : {};
    if (typeof next !== "object" || next === null) {
      throw new ConfigError(`--set ${assignment}: "${key}" is not a group of settings.`);
    }
    owner[key] = next;
    owner = next as Record<string, unknown>;
  }
  return copy as TrainConfigInput;
}
