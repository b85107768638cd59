import type { Worker } from "node:worker_threads";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { CollectiveError, ReplicaError } from "../src";
import { type RunReplicasOptions, runReplicas } from "../src/node";
import type { ExchangeData, Task } from "./exchange-replica";
import { bundleReplicas, PLAIN, type ReplicaFiles } from "./replica-files";

let files: ReplicaFiles;
beforeAll(async () => {
  files = await bundleReplicas("exchange-replica");
});
afterAll(() => files.remove());

// Threads of this process that have not ended.
const alive = new Set<Worker>();
const watch = (worker: Worker) => {
  alive.add(worker);
  worker.once("exit", () => alive.delete(worker));
};
process.on("worker", watch);
afterAll(() => process.off("worker", watch));
afterEach(() => {
  vi.unstubAllGlobals();
  expect(alive.size, "threads left behind").toBe(0);
});

type Options = Partial<RunReplicasOptions<ExchangeData>>;

function run(tasks: readonly Task[], options: Options = {}): Promise<Float32Array[][]> {
  const execArgv = PLAIN as string[];
  const worker = files.url("exchange-replica");
  return runReplicas({ replicas: 3, worker, data: { seed: 1, tasks }, execArgv, ...options });
}

const failed = async (tasks: readonly Task[], options: Options = {}) => {
  const error = await run(tasks, options).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ReplicaError);
  return error as ReplicaError;
};

describe("runReplicas", () => {
  it("returns what each replica returned, by rank", async () => {
    const [one, two] = await run([{ kind: "reduce", lengths: [2] }], { replicas: 2 });
    expect(one![0]).toHaveLength(2);
    expect(two).toEqual(one);
  });

  it.each(["throw", "reject"] as const)("rejects with the error of a replica that has one (%s)", async (kind) => {
    const error = await failed([{ kind: "barrier" }, { kind, rank: 1 }, { kind: "barrier" }]);
    expect(error.rank).toBe(1);
    expect(error.message).toMatch(/^Replica 1 failed: /);
    expect(error.cause).toMatchObject({ name: "WorkerMistake", stack: expect.stringContaining("exchange-replica") });
  });

  it("rejects with the exit code of a replica that ends without a result", async () => {
    const error = await failed([{ kind: "exit", rank: 2 }, { kind: "barrier" }]);
    expect(error).toMatchObject({ rank: 2, details: { exitCode: 7 } });
    expect(error.message).toBe("Replica 2 ended with exit code 7 before it had a result.");
  });

  it("rejects when a replica hangs, and ends it", async () => {
    const error = await failed([{ kind: "barrier" }, { kind: "hang", rank: 0 }, { kind: "barrier" }], {
      timeoutMs: 300,
      graceMs: 100,
    });
    expect(error.cause).toBeInstanceOf(CollectiveError);
    expect(error.cause).toMatchObject({ reason: "timeout", details: { other: 0, during: "barrier" } });
  });

  it("rejects when a replica returns while others wait for it", async () => {
    const error = await failed([
      { kind: "return", rank: 1 },
      { kind: "reduce", lengths: [1] },
    ]);
    expect(error.cause).toMatchObject({ reason: "left", details: { other: 1 } });
  });

  it("asks the replicas to stop", async () => {
    const controller = new AbortController();
    const done = run([{ kind: "until-stop" }], { stop: controller.signal });
    setTimeout(() => controller.abort(), 50);
    expect((await done).map(([size]) => size![0])).toEqual([3, 3, 3]);
    expect(await run([{ kind: "until-stop" }], { stop: AbortSignal.abort() })).toHaveLength(3);
  });

  it("ends at once when its signal says so", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const done = run([{ kind: "hang", rank: 0 }, { kind: "barrier" }], { signal: controller.signal });
    let running = 0;
    setTimeout(() => {
      running = alive.size;
      controller.abort(reason);
    }, 200);
    await expect(done).rejects.toBe(reason);
    expect(running).toBe(3);
    await expect(run([], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it("rejects when the file is missing, or the data cannot be cloned", async () => {
    const worker = new URL("file:///no/such/replica.mjs");
    await expect(run([], { worker })).rejects.toThrow(/^Replica \d failed: Cannot find module/);
    const data = { seed: 1, tasks: [], extra: () => 1 } as unknown as ExchangeData;
    await expect(run([], { data })).rejects.toThrow("could not be cloned");
  });

  it("says where there is no shared memory, and which numbers it takes", async () => {
    await expect(run([], { replicas: 0 })).rejects.toThrow("replicas must be an integer from 1 to 256, got 0.");
    vi.stubGlobal("SharedArrayBuffer", undefined);
    await expect(run([])).rejects.toMatchObject({ code: "collective", reason: "unsupported" });
  });
});
