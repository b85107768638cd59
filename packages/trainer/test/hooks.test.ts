// The order in which a run calls its hooks is that of README.md's table.
import { readFileSync } from "node:fs";
import { ConfigError } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import { beforeAll, describe, expect, it } from "vitest";
import { type BatchSource, createTrainer, type TrainConfigInput, type TrainHook } from "../src";
import { squares, squaresBatch, tinyConfig, tinyDetector } from "./tiny-run";

const EVENTS = [
  "onStart",
  "onGates",
  "onStep",
  "onRestore",
  "onNonFinite",
  "onEpoch",
  "onEvaluation",
  "onEnd",
  "onError",
  "onClose",
] as const;

/** The first column of the README's table of hooks, top to bottom. */
function documented(): string[] {
  const text = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  return [...text.matchAll(/^\| `(on[A-Z]\w+)`/gm)].map((match) => match[1]!);
}

/** A hook that writes its calls down. */
function scribe(name: string, calls: string[], more: Partial<TrainHook> = {}): TrainHook {
  const noting = EVENTS.map((event) => [
    event,
    async (...args: readonly unknown[]) => {
      calls.push(`${name} ${event}`);
      const own = more[event] as ((...args: readonly unknown[]) => unknown) | undefined;
      return event === "onRestore" ? ((await own?.(...args)) ?? false) : own?.(...args);
    },
  ]);
  return { name, ...Object.fromEntries(noting) };
}

async function run(hooks: readonly TrainHook[], overrides: TrainConfigInput = {}, batches: BatchSource = squares(1)) {
  const config = tinyConfig({ schedule: { epochs: 1 }, ...overrides });
  const detector = tinyDetector(config, 1);
  const trainer = createTrainer({ detector, batches, config, hooks });
  const error = await trainer.run().catch((e: unknown) => e);
  trainer.dispose();
  detector.dispose();
  return error;
}

const withNan: BatchSource = squares(2, (batch) =>
  batch.imageIds[0] === squaresBatch(0, 0).imageIds[0]
    ? { ...batch, images: batch.images.map(() => Number.NaN) }
    : batch,
);

describe("hooks", () => {
  beforeAll(async () => {
    await prepareBackend({ backend: "wasm" });
  });

  it("are documented event by event, in the order of the calls", () => {
    expect(documented()).toEqual([...EVENTS]);
  });

  it("are called in the documented order, each event for all hooks in the list's order, onClose backwards", async () => {
    const calls: string[] = [];
    const evaluate: Partial<TrainHook> = { onEpoch: (_, trainer) => trainer.reportEvaluation({ AP: 1 }) };
    expect(await run([scribe("a", calls, evaluate), scribe("b", calls)])).toBeUndefined();
    expect(calls).toEqual([
      "a onStart",
      "b onStart",
      "a onGates",
      "b onGates",
      "a onStep",
      "b onStep",
      "a onEpoch",
      "a onEvaluation",
      "b onEvaluation",
      "b onEpoch",
      "a onEnd",
      "b onEnd",
      "b onClose",
      "a onClose",
    ]);
  });

  it("hear of a batch left out instead of its step", async () => {
    const calls: string[] = [];
    expect(await run([scribe("a", calls)], { onNonFinite: "skip" }, withNan)).toBeUndefined();
    expect(calls).toEqual(
      ["onStart", "onNonFinite", "onGates", "onStep", "onEpoch", "onEnd", "onClose"].map((e) => `a ${e}`),
    );
  });

  it("are asked to restore one by one until one does it, and then hear of it", async () => {
    const calls: string[] = [];
    const restore: Partial<TrainHook> = {
      onRestore: (trainer) => {
        trainer.resumeAt({ step: 0, epoch: 0, batch: 0 });
        return true;
      },
    };
    const hooks = [scribe("a", calls), scribe("b", calls, restore), scribe("c", calls)];
    expect(await run(hooks, { onNonFinite: "restore" }, withNan)).toBeUndefined();
    expect(calls.slice(3, 8)).toEqual([
      "a onRestore",
      "b onRestore",
      "a onNonFinite",
      "b onNonFinite",
      "c onNonFinite",
    ]);
    expect(calls.filter((call) => call.endsWith("onRestore"))).toHaveLength(2);
  });

  it("hear of a failure, and are closed after it, also when a start fails", async () => {
    const calls: string[] = [];
    const failing: Partial<TrainHook> = {
      onStart: () => {
        throw new ConfigError("no");
      },
    };
    expect(await run([scribe("a", calls), scribe("b", calls, failing)])).toBeInstanceOf(ConfigError);
    expect(calls).toEqual(["a onStart", "b onStart", "a onError", "b onError", "b onClose", "a onClose"]);
  });
});

describe("batches", () => {
  beforeAll(async () => {
    await prepareBackend({ backend: "wasm" });
  });

  it.each(["stop", "skip"] as const)(
    "are each given back once, after their step, also when it fails (%s)",
    async (onNonFinite) => {
      const log: string[] = [];
      const batches: BatchSource = {
        ...withNan,
        recycle: ({ imageIds, images }) => {
          log.push(`back ${imageIds[0]}`);
          images.fill(Number.NaN); // as a loader's next batch would
        },
      };
      const hook: TrainHook = { name: "log", onStep: ({ imageIds }) => void log.push(`step ${imageIds[0]}`) };
      await run([hook], { onNonFinite }, batches);
      const [first, second] = [squaresBatch(0, 0).imageIds[0], squaresBatch(0, 1).imageIds[0]];
      expect(log).toEqual(
        onNonFinite === "stop" ? [`back ${first}`] : [`back ${first}`, `step ${second}`, `back ${second}`],
      );
    },
  );
});
