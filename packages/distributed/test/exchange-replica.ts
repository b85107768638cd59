// A replica that does what its data says, with arrays drawn from a seed. Bundled and started by the tests.
import { replica } from "../src/node";
import { drawArrays } from "./draw-arrays";

/** One thing to do. `delays` has a time a rank, in milliseconds, to wait before it. */
export type Task =
  | {
      readonly kind: "reduce" | "broadcast" | "now";
      readonly lengths: readonly number[];
      readonly delays?: readonly number[];
    }
  | { readonly kind: "lengths"; readonly byRank: readonly (readonly number[])[] }
  | { readonly kind: "barrier" }
  | { readonly kind: "throw" | "exit" | "hang" | "return" | "reject" | "abort"; readonly rank: number }
  | { readonly kind: "different"; readonly rank: number }
  | { readonly kind: "until-stop" };

export interface ExchangeData {
  readonly seed: number;
  readonly tasks: readonly Task[];
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

class WorkerMistake extends Error {
  override name = "WorkerMistake";
}

await replica<ExchangeData, Float32Array[]>(async ({ rank, size, data: { seed, tasks }, collective, stop }) => {
  const results: Float32Array[] = [];
  for (const [i, task] of tasks.entries()) {
    switch (task.kind) {
      case "reduce":
      case "broadcast":
      case "now": {
        const arrays = drawArrays(seed + i, rank, task.lengths);
        await sleep(task.delays?.[rank] ?? 0);
        if (task.kind === "reduce") await collective.allReduceMean(arrays);
        else if (task.kind === "now") collective.allReduceMeanNow(arrays);
        else await collective.broadcast(arrays);
        results.push(...arrays);
        break;
      }
      case "lengths":
        await collective.allReduceMean(task.byRank[rank]!.map((n) => new Float32Array(n)));
        break;
      case "barrier":
        await collective.barrier();
        break;
      case "different":
        if (rank === task.rank) await collective.barrier();
        else await collective.allReduceMean([new Float32Array(3)]);
        break;
      case "until-stop":
        for (const asked = new Float32Array(1); asked[0] === 0; ) {
          asked[0] = stop.aborted ? 1 : 0;
          await collective.allReduceMean([asked]);
        }
        results.push(Float32Array.of(size));
        break;
      default:
        if (rank !== task.rank) continue;
        if (task.kind === "throw") throw new WorkerMistake(`rank ${rank} made a mistake`);
        if (task.kind === "exit") process.exit(7);
        if (task.kind === "reject") void Promise.reject(new WorkerMistake("nobody caught this"));
        if (task.kind === "abort") collective.abort();
        if (task.kind === "return") return results;
        if (task.kind === "hang") for (;;);
        await sleep(50);
    }
  }
  return results;
});
