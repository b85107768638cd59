import { BatchNorm } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { collectiveMemory, syncBatchNorm, threadCollective } from "../src";
import { runReplicas } from "../src/node";
import { bundleReplicas, PLAIN, type ReplicaFiles } from "./replica-files";
import { type Norms, type Trained, trainSmall } from "./small-training";
import type { TrainingData } from "./training-replica";

let files: ReplicaFiles;
beforeAll(async () => {
  files = await bundleReplicas("training-replica");
  await prepareBackend({ backend: "wasm" });
});
afterAll(() => files.remove());

const alone = () => threadCollective({ memory: collectiveMemory({ size: 1, capacity: 1 }), rank: 0 });

function together(replicas: number, norms: TrainingData): Promise<Trained[]> {
  const worker = files.url("training-replica");
  return runReplicas({ replicas, worker, data: norms, execArgv: PLAIN as string[] });
}

function largestGap(a: Trained, b: Trained): number {
  expect([...a.state.keys()]).toEqual([...b.state.keys()]);
  const gaps = [...a.state].flatMap(([name, values]) =>
    [...values].map((v, i) => Math.abs(v - b.state.get(name)![i]!) / Math.max(1, Math.abs(v))),
  );
  return Math.max(...gaps);
}

describe("training with replicas", () => {
  it.each<[number, Norms]>([
    [2, "synced"],
    [4, "synced"],
    [2, "frozen"],
  ])("%i replicas with %s norms give what one process gives with all images", async (replicas, norms) => {
    const whole = await trainSmall(alone(), norms);
    const ranks = await together(replicas, norms);
    expect(largestGap(ranks[0]!, whole)).toBeLessThan(1e-6);
    for (const { state, left } of ranks) {
      expect(state).toEqual(ranks[0]!.state);
      expect(left).toBe(0);
    }
    expect(whole.left).toBe(0);
  });

  it("gives other weights where each replica normalises by its own batch", async () => {
    const [whole, [first, second]] = [await trainSmall(alone(), "own"), await together(2, "own")];
    expect(largestGap(first!, whole)).toBeGreaterThan(1e-3);
    // The running moments are each one's own; the weights are not.
    const weights = ({ state }: Trained) => [...state].filter(([name]) => !name.includes("running"));
    expect(weights(first!)).toEqual(weights(second!));
    expect(first!.state).not.toEqual(second!.state);
  });

  it("can be undone", () => {
    const norm = new BatchNorm(2);
    const undo = syncBatchNorm(norm, alone());
    expect(norm.reduce).toBeTypeOf("function");
    undo();
    expect(norm.reduce).toBeUndefined();
    norm.dispose();
  });
});
