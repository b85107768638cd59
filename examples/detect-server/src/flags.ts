// The command line's flags, checked: what the program's options are, and what they default to.
import { parseArgs } from "node:util";
import { ConfigError } from "@caddet/core";
import { BACKENDS } from "@caddet/runtime/node";
import type { Limits } from "./server";

const ENGINES = ["auto", "tfjs", "onnx"] as const;
const CHOICES = ["auto", ...BACKENDS] as const;
const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
// Timers of Node go no further.
const MAX_MS = 2 ** 31 - 1;

/** What the flags say. */
export interface Flags {
  /** A run's folder or a model file. */
  readonly model: string;
  readonly engine: (typeof ENGINES)[number];
  readonly backend: (typeof CHOICES)[number];
  readonly host: string;
  readonly port: number;
  /** Most images in a batch; undefined leaves it to the engine. */
  readonly batch: number | undefined;
  /** How long an image waits for others, milliseconds. */
  readonly delayMs: number;
  readonly logLevel: string;
  readonly limits: Limits;
}

function integer(name: string, text: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new ConfigError(`--${name} should be an integer from ${least} to ${most}, got "${text}".`, { [name]: text });
}

function oneOf<T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === text);
  if (found !== undefined) return found;
  throw new ConfigError(`--${name} should be one of ${allowed.join(", ")}, got "${text}".`, { [name]: text });
}

/**
 * Reads the flags.
 *
 * @param args what follows the program's name
 * @returns them, checked
 * @throws ConfigError when one is out of range or --model is missing; TypeError when one is unknown
 */
export function parseFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      model: { type: "string" },
      engine: { type: "string", default: "auto" },
      backend: { type: "string", default: "auto" },
      host: { type: "string", default: "127.0.0.1" },
      port: { type: "string", default: "8080" },
      batch: { type: "string" },
      "delay-ms": { type: "string", default: "0" },
      queue: { type: "string", default: "64" },
      "max-bytes": { type: "string", default: String(10 * 2 ** 20) },
      "max-pixels": { type: "string", default: "25000000" },
      "timeout-ms": { type: "string", default: "10000" },
      "grace-ms": { type: "string", default: "15000" },
      log: { type: "string", default: "info" },
    },
  });
  if (!values.model) throw new ConfigError("--model is missing: a folder of caddet train, or a model file.");
  return {
    model: values.model,
    engine: oneOf("engine", values.engine, ENGINES),
    backend: oneOf("backend", values.backend, CHOICES),
    host: values.host,
    port: integer("port", values.port, 0, 65_535),
    batch: values.batch === undefined ? undefined : integer("batch", values.batch, 1),
    delayMs: integer("delay-ms", values["delay-ms"], 0, MAX_MS),
    logLevel: oneOf("log", values.log, LOG_LEVELS),
    limits: {
      queue: integer("queue", values.queue, 1),
      maxBytes: integer("max-bytes", values["max-bytes"], 1),
      maxPixels: integer("max-pixels", values["max-pixels"], 1),
      timeoutMs: integer("timeout-ms", values["timeout-ms"], 1, MAX_MS),
      graceMs: integer("grace-ms", values["grace-ms"], 0, MAX_MS - 1000),
    },
  };
}
