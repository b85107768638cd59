// The side of a replica: what a worker's file calls to take part in a run. Backends, models and data are its own business.
import { parentPort, workerData } from "node:worker_threads";
import { ConfigError } from "@caddet/core";
import { failCollective, isStopAsked, leaveCollective } from "./collective-memory";
import { type ReplicaAnswer, type ReplicaOrder, sendError } from "./messages";
import { type ThreadCollective, threadCollective } from "./thread-collective";

/** What a replica knows. */
export interface ReplicaContext<Data> {
  /** From 0. */
  readonly rank: number;
  /** How many replicas there are. */
  readonly size: number;
  /** A copy of `runReplicas`' `data`. */
  readonly data: Data;
  readonly collective: ThreadCollective;
  /** `aborted` becomes true when `runReplicas`' `stop` does. Replicas see it at different times: agree on it before acting on it. */
  readonly stop: { readonly aborted: boolean };
}

/**
 * Runs a replica; call it once in the file that `runReplicas` starts.
 *
 * @param body does the work and returns what `runReplicas` is to have of this rank, or throws; both have to be cloneable
 * @throws ConfigError when the thread was not started by `runReplicas`
 * @example
 * ```ts
 * // worker.mjs
 * await replica(async ({ rank, collective, data }) => {
 *   await prepareBackend({ backend: "wasm" });
 *   return train(data, collective);
 * });
 * ```
 */
export async function replica<Data, Result>(body: (context: ReplicaContext<Data>) => Promise<Result>): Promise<void> {
  const order = workerData as Partial<ReplicaOrder> | null;
  if (!parentPort || !order?.caddetReplica) {
    throw new ConfigError("This is no replica. Start its file by runReplicas of @caddet/distributed/node.");
  }
  const { memory, rank, timeoutMs } = order.caddetReplica;
  const answer = (message: ReplicaAnswer) => parentPort!.postMessage(message);
  const stop = {
    get aborted() {
      return isStopAsked(memory);
    },
  };
  try {
    const collective = threadCollective({ memory, rank, timeoutMs });
    const result = await body({ rank, size: memory.size, data: order.data as Data, collective, stop });
    answer({ kind: "result", result });
    leaveCollective(memory, rank);
  } catch (error) {
    failCollective(memory, "lost", rank);
    answer({ kind: "error", error: sendError(error) });
  }
}
