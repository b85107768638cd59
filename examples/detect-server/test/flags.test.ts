// Flags: what they default to, and which values are refused.
import { ConfigError } from "@caddet/core";
import { expect, it } from "vitest";
import { parseFlags } from "../src/flags";

it("has defaults for all but the model", () => {
  expect(parseFlags(["--model", "runs/demo"])).toEqual({
    model: "runs/demo",
    engine: "auto",
    backend: "auto",
    host: "127.0.0.1",
    port: 8080,
    batch: undefined,
    delayMs: 0,
    logLevel: "info",
    limits: { queue: 64, maxBytes: 10_485_760, maxPixels: 25_000_000, timeoutMs: 10_000, graceMs: 15_000 },
  });
});

it("takes what is given", () => {
  const flags = parseFlags(["--model", "m", "--queue", "3", "--batch", "4", "--delay-ms", "5", "--grace-ms", "0"]);
  expect(flags).toMatchObject({ batch: 4, delayMs: 5, limits: { queue: 3, graceMs: 0 } });
});

it.each([
  [["--queue", "0"], "--queue should be an integer from 1"],
  [["--max-bytes", "1e400"], "--max-bytes"],
  [["--port", ""], "--port"],
  [["--port", "70000"], "--port should be an integer from 0 to 65535"],
  [["--timeout-ms", "1.5"], "--timeout-ms"],
  [["--timeout-ms", "3000000000"], "to 2147483647"],
  [["--grace-ms=-1"], "--grace-ms"],
  [["--engine", "torch"], "--engine should be one of auto, tfjs, onnx"],
  [["--backend", "torch"], "--backend should be one of auto, tfjs-node-gpu"],
  [["--log", "loud"], "--log should be one of"],
])("refuses %s", (args, text) => {
  expect(() => parseFlags(["--model", "m", ...args])).toThrow(ConfigError);
  expect(() => parseFlags(["--model", "m", ...args])).toThrow(text);
});

it("refuses what is unknown, and a missing model", () => {
  expect(() => parseFlags(["--model", "m", "--treshold", "1"])).toThrow("--treshold");
  expect(() => parseFlags([])).toThrow(ConfigError);
});
