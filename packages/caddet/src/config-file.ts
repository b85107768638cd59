// Loads a training configuration from a .ts, .js or .json file. TypeScript needs no build: jiti compiles it on the way.
import { readFile } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { types } from "node:util";
import { ConfigError } from "@caddet/core";
import { type ModelConfig, parseModelConfig } from "@caddet/detector";
import * as trainer from "@caddet/trainer";
import { parseTrainConfig, setConfigValue, type TrainConfig, type TrainConfigInput } from "@caddet/trainer";
import { createJiti } from "jiti";
import { parts } from "./parts";

/** A run's configuration with every default filled in, the model's as well. */
export type RunConfig = TrainConfig & { readonly model: ModelConfig };

// The loader's reasons span lines: a trail of modules, which is left out, or a place in the file.
function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text
    .replace(/\nRequire stack:[\s\S]*/, "")
    .replace(/\s*\n\s*/g, " ")
    .trim();
}

// The default export of an ES module; a CommonJS module is its export, and an empty one exports nothing.
function exportOf(module: unknown): unknown {
  if (typeof module !== "object" || module === null) return module;
  if ("default" in module) return module.default;
  const isEsModule = types.isModuleNamespaceObject(module) || "__esModule" in module;
  return isEsModule || Object.keys(module).length === 0 ? undefined : module;
}

async function load(file: string): Promise<unknown> {
  const path = resolve(file);
  try {
    if (extname(path) === ".json") return JSON.parse(await readFile(path, "utf8"));
    // A configuration may lie in a folder that has no node_modules, so defineConfig comes from here.
    const virtualModules = { "@caddet/trainer": trainer };
    return exportOf(await createJiti(import.meta.url, { virtualModules, interopDefault: false }).import(path));
  } catch (cause) {
    throw new ConfigError(`The configuration ${file} cannot be loaded: ${reasonOf(cause)}.`, { file }, { cause });
  }
}

const kindOf = (value: unknown) => {
  if (value === undefined || value === null) return "nothing";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
};

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
  if (typeof loaded !== "object" || loaded === null || Array.isArray(loaded)) {
    throw new ConfigError(
      `The configuration ${file} must give an object, got ${kindOf(loaded)}. A .json file holds it, a .ts or .js file exports it as its default.`,
      { file },
    );
  }
  const config = parseTrainConfig(overrides.reduce(setConfigValue, loaded as TrainConfigInput));
  return { ...config, model: parseModelConfig(config.model, parts) };
}
