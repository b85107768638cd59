import { Worker } from "node:worker_threads";
import { ConfigError } from "@caddet/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CollectiveError, collectiveMemory, threadCollective } from "../src";
import { runReplicas } from "../src/node";
import { drawArrays } from "./draw-arrays";
import type { ExchangeData, Task } from "./exchange-replica";
import { bundleReplicas, PLAIN, type ReplicaFiles } from "./replica-files";

let files: ReplicaFiles;
beforeAll(async () => {
  files = await bundleReplicas("exchange-replica");
});
afterAll(() => files.remove());

/** Runs tasks on so many ranks. */
function exchange(replicas: number, tasks: readonly Task[], options: { capacity?: number; seed?: number } = {}) {
  const { seed = 1, ...rest } = options;
  const data: ExchangeData = { seed, tasks };
  const worker = files.url("exchange-replica");
  return runReplicas<ExchangeData, Float32Array[]>({ replicas, worker, data, execArgv: PLAIN as string[], ...rest });
}

/** The mean over ranks, summed in float64 in their order and rounded once. */
function meanOf(seed: number, ranks: number, lengths: readonly number[]): Float32Array[] {
  const all = Array.from({ length: ranks }, (_, rank) => drawArrays(seed, rank, lengths));
  return lengths.map((n, k) =>
    Float32Array.from({ length: n }, (_, i) => all.reduce((sum, arrays) => sum + arrays[k]![i]!, 0) / ranks),
  );
}

describe("threadCollective", () => {
  it.each([1, 2, 3, 4])("has exact means on each of %i ranks, whatever the pieces", async (ranks) => {
    const lengths = [1, 0, 7, 130, 64];
    const tasks: Task[] = [{ kind: "reduce", lengths }, { kind: "barrier" }, { kind: "now", lengths: [5] }];
    for (const capacity of [1 << 20, 50, 1]) {
      const results = await exchange(ranks, tasks, { capacity });
      for (const got of results) expect(got).toEqual([...meanOf(1, ranks, lengths), ...meanOf(3, ranks, [5])]);
    }
  });

  it("broadcasts what rank 0 has", async () => {
    const results = await exchange(
      3,
      [
        { kind: "broadcast", lengths: [3, 200] },
        { kind: "reduce", lengths: [4] },
      ],
      {
        capacity: 64,
      },
    );
    for (const got of results) expect(got).toEqual([...drawArrays(1, 0, [3, 200]), ...meanOf(2, 3, [4])]);
  });

  it("gives the same bytes fifty times, whoever comes first", async () => {
    const orders = [
      [0, 3, 1],
      [2, 0, 3],
      [1, 2, 0],
    ];
    const lengths = [257];
    const tasks = Array.from({ length: 50 }, (_, i): Task => ({ kind: "reduce", lengths, delays: orders[i % 3]! }));
    const all = await exchange(3, tasks, { capacity: 100 });
    for (let i = 0; i < 50; i++) for (const got of all) expect(got[i]).toEqual(meanOf(1 + i, 3, lengths)[0]);
  });

  it("gives each rank an error where they call different operations, or bring other lengths", async () => {
    const lengths: Task = {
      kind: "lengths",
      byRank: [
        [4, 2],
        [2, 4],
        [4, 2],
      ],
    };
    await expect(exchange(3, [lengths])).rejects.toMatchObject({
      cause: {
        reason: "mismatch",
        message: expect.stringContaining(
          "Rank 0 called allReduceMean of 2 arrays with 6 numbers, rank 1 allReduceMean of 2 arrays with 6 numbers of other lengths.",
        ),
      },
    });
    await expect(exchange(2, [{ kind: "different", rank: 1 }])).rejects.toMatchObject({
      cause: { reason: "mismatch", message: expect.stringContaining("rank 1 barrier of 0 arrays with 0 numbers") },
    });
  });

  it("lets a main thread take part without blocking it", async () => {
    const memory = collectiveMemory({ size: 2, capacity: 16 });
    const own = threadCollective({ memory, rank: 0, wait: "async" });
    const order = { caddetReplica: { memory, rank: 1, timeoutMs: 5000 } };
    const tasks: Task[] = [{ kind: "reduce", lengths: [40], delays: [0, 60] }, { kind: "barrier" }];
    const workerData = { ...order, data: { seed: 1, tasks } satisfies ExchangeData };
    const worker = new Worker(files.url("exchange-replica"), { workerData, execArgv: [] });
    const ended = new Promise((resolve) => worker.once("exit", resolve));
    let beats = 0;
    const heart = setInterval(() => beats++, 5);
    const arrays = drawArrays(1, 0, [40]);
    // Without waiting in between: they are done in the order of the calls.
    const both = [own.allReduceMean(arrays), own.barrier()];
    await Promise.all(both);
    clearInterval(heart);
    expect(arrays).toEqual(meanOf(1, 2, [40]));
    expect(beats).toBeGreaterThan(3);
    expect(() => own.allReduceMeanNow(arrays)).toThrow(ConfigError);
    await ended;
    await expect(own.barrier()).rejects.toMatchObject({ reason: "left", details: { rank: 0, other: 1 } });
  });

  it("throws when a rank does not come, on a main thread, too", async () => {
    for (const wait of ["block", "async"] as const) {
      const memory = collectiveMemory({ size: 3, capacity: 16 });
      const [first, second] = [0, 2].map((rank) => threadCollective({ memory, rank, wait, timeoutMs: 50 }));
      const error = await first!.barrier().catch((e: unknown) => e);
      expect(error).toBeInstanceOf(CollectiveError);
      expect(error).toMatchObject({
        reason: "timeout",
        message: expect.stringContaining("Rank 1 did not come in time"),
      });
      // From then on nobody waits any more.
      await expect(second!.broadcast([new Float32Array(2)])).rejects.toMatchObject({ reason: "timeout" });
    }
  });

  it("throws on all ranks once one aborts", async () => {
    await expect(exchange(2, [{ kind: "abort", rank: 1 }, { kind: "barrier" }])).rejects.toMatchObject({
      cause: { reason: "aborted", details: { other: 1 } },
    });
  });

  it("refuses ranks, sizes and times that cannot be", () => {
    const memory = collectiveMemory({ size: 2 });
    expect(() => threadCollective({ memory, rank: 2 })).toThrow("rank must be an integer from 0 to 1, got 2.");
    expect(() => threadCollective({ memory, rank: 0, timeoutMs: 0 })).toThrow(ConfigError);
    expect(() => collectiveMemory({ size: 0 })).toThrow("size must be an integer from 1, got 0.");
    expect(() => collectiveMemory({ size: 2, capacity: 1.5 })).toThrow(ConfigError);
  });
});
