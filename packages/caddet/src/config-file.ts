// Loads a training configuration from a .ts, .js or .json file. TypeScript needs no build: jiti compiles it on the way.
import { readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { ConfigError } from "@caddet/core";
import { type ModelConfig, parseModelConfig } from "@caddet/detector";
import { parseTrainConfig, setConfigValue, type TrainConfig, type TrainConfigInput } from "@caddet/trainer";
import { createJiti } from "jiti";
import { parts } from "./parts";

/** A run's configuration with every default filled in, the model's as well. */
export type RunConfig = TrainConfig & { readonly model: ModelConfig };

async function load(file: string): Promise<unknown> {
  const path = resolve(file);
  try {
    if (extname(path) === ".json") return JSON.parse(await readFile(path, "utf8"));
    return await createJiti(import.meta.url).import(path, { default: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`The configuration ${file} cannot be loaded: ${reason}`, { file }, { cause });
  }
}

/**
 * Loads and checks a configuration.
 *
 * @param file its path; none means the paper's defaults
 * @param overrides assignments such as `optimizer.lr=0.02`, applied in order
 * @returns the whole configuration
 * @throws ConfigError when the file or a setting is not usable
 */
export async function loadConfig(file: string | undefined, overrides: readonly string[]): Promise<RunConfig> {
  const loaded = file === undefined ? {} : await load(file);
  if (typeof loaded !== "object" || loaded === null) {
    throw new ConfigError(`${file} must export a configuration object as its default, got ${typeof loaded}.`, { file });
  }
  const config = parseTrainConfig(overrides.reduce(setConfigValue, loaded as TrainConfigInput));
  return { ...config, model: parseModelConfig(config.model, parts) };
}
