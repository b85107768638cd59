// Two replicas with random gates that are killed by SIGKILL and resumed end with the bytes of two that were left alone.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readDetectorFile } from "@caddet/detector";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadConfig } from "../src/config-file";
import type { TrainingOrder } from "../src/training-rank";
import { type BundledReplica, bundleReplica } from "./bundled-replica";
import { type DrawnSet, drawSet } from "./drawn-set";

const PROGRAM = new URL("./killed-replicas.ts", import.meta.url);
const STEPS = 12;
const SETTINGS = [
  ...["model.backbone.gate=gumbel", "budget.mapping=loss", "ema.decay=0.9"],
  ...[`schedule.epochs=${STEPS}`, `schedule.maxSteps=${STEPS}`, "checkpoint.everySteps=1", "checkpoint.keep=20"],
];

let set: DrawnSet;
let replica: BundledReplica;
let program: BundledReplica;
beforeAll(async () => {
  [set, replica, program] = await Promise.all([drawSet(), bundleReplica(), bundleReplica(PROGRAM)]);
});
afterAll(() => Promise.all([set.remove(), replica.remove(), program.remove()]));

const checkpointOf = (name: string, step: number) =>
  set.path(join(name, "checkpoints", `step-${String(step).padStart(8, "0")}.safetensors`));

/** Trains in a process of its own, which is killed once a step's checkpoint is there. */
async function live(name: string, more: { readonly resume?: boolean; readonly until?: number } = {}) {
  const { resume = false, until } = more;
  const config = await loadConfig(set.configFile, SETTINGS);
  const order: TrainingOrder = { data: set.folder, out: set.path(name), config, resume, backend: "wasm" };
  const child = spawn(process.execPath, [fileURLToPath(program.url), replica.url.href, JSON.stringify(order)]);
  let text = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    text += part;
  });
  const watch = setInterval(() => {
    if (until !== undefined && existsSync(checkpointOf(name, until))) child.kill("SIGKILL");
  }, 2);
  return new Promise<{ code: number | null; signal: string | null; text: string }>((resolve) =>
    child.on("close", (code, signal) => {
      clearInterval(watch);
      resolve({ code, signal, text });
    }),
  );
}

describe.skipIf(process.platform === "win32")("two replicas with random gates that are killed twice", () => {
  it("end with the bytes of two that were left alone", { timeout: 120_000 }, async () => {
    const whole = await live("whole");
    expect(whole.code, whole.text).toBe(0);
    for (const [resume, until] of [
      [false, 3],
      [true, 7],
    ] as const) {
      const { signal, text } = await live("killed", { resume, until });
      expect(signal, text).toBe("SIGKILL");
    }
    const last = await live("killed", { resume: true });
    expect(last.code, last.text).toBe(0);
    const wanted = await readFile(checkpointOf("whole", STEPS));
    expect((await readFile(checkpointOf("killed", STEPS))).equals(wanted)).toBe(true);
    const { others, random } = JSON.parse(readDetectorFile(wanted).metadata.run!) as Record<string, unknown[]>;
    // Each draws noise of its own.
    expect(others).toHaveLength(1);
    expect(others![0]).not.toMatchObject({ random });
  });
});
