// Starts the replicas of a run in worker threads, and sees to it that all of them end: with their results, or with the error of the one that began.
import { Worker, type WorkerOptions } from "node:worker_threads";
import { ConfigError } from "@caddet/core";
import { askToStop, collectiveMemory, failCollective } from "./collective-memory";
import { CollectiveError, ReplicaError } from "./errors";
import { type ReplicaAnswer, type ReplicaOrder, receiveError } from "./messages";

/** Options of {@link runReplicas}. */
export interface RunReplicasOptions<Data> {
  /** How many, from 1. More than the machine has cores only make each slower. */
  readonly replicas: number;
  /** The file that each thread runs; it calls `replica`. */
  readonly worker: URL;
  /** What each replica gets a copy of. */
  readonly data: Data;
  /** Longest wait of a replica for the others, in milliseconds. Default 10 minutes. */
  readonly timeoutMs?: number;
  /** How long a replica has to end by itself after its answer, or after another one's failure, in milliseconds. Default 5 seconds. */
  readonly graceMs?: number;
  /** Asks the replicas to come to an end by themselves: they see it at `context.stop`. */
  readonly stop?: AbortSignal;
  /** Ends the run at once: threads are terminated, the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Numbers that are exchanged at once, default 2^20. */
  readonly capacity?: number;
  /** Of the threads, as for `Worker`. Default: those of this process. */
  readonly execArgv?: WorkerOptions["execArgv"];
}

interface Outcome {
  readonly rank: number;
  readonly result?: unknown;
  readonly failure?: ReplicaError;
}

/** Follows one thread from its start to its end. `onAnswer` is called when it is known how it goes, the promise settles when it has ended. */
function follow(worker: Worker, rank: number, onAnswer: (outcome: Outcome) => void): Promise<Outcome> {
  let outcome: Outcome | undefined;
  const settle = (next: Omit<Outcome, "rank">) => {
    if (outcome) return;
    outcome = { rank, ...next };
    onAnswer(outcome);
  };
  const fail = (cause: Error) =>
    settle({ failure: new ReplicaError(rank, `Replica ${rank} failed: ${cause.message}`, {}, { cause }) });
  worker.on("message", (answer: ReplicaAnswer) => {
    if (answer.kind === "result") settle({ result: answer.result });
    else fail(receiveError(answer.error));
  });
  worker.on("messageerror", fail).on("error", fail);
  return new Promise((resolve) => {
    worker.once("exit", (exitCode) => {
      const message = `Replica ${rank} ended with exit code ${exitCode} before it had a result.`;
      settle({ failure: new ReplicaError(rank, message, { exitCode }) });
      resolve(outcome!);
    });
  });
}

// Where others only report that one was lost, the one that was lost tells why.
function firstCause(failures: readonly ReplicaError[]): ReplicaError | undefined {
  const isConsequence = ({ cause }: ReplicaError) => cause instanceof CollectiveError && cause.reason === "lost";
  return failures.find((failure) => !isConsequence(failure)) ?? failures[0];
}

/**
 * Runs the same file in several threads that exchange arrays through shared memory, and waits until all have ended.
 *
 * @param options how many, which file, its data, limits of time
 * @returns what each replica returned, by rank
 * @throws ReplicaError of the replica that failed first, with its own error as `cause`; CollectiveError `unsupported` where there is no
 * SharedArrayBuffer; the reason of `signal`. No thread is left in any case
 * @example
 * ```ts
 * const results = await runReplicas({ replicas: 2, worker: new URL("./worker.mjs", import.meta.url), data: { epochs: 12 } });
 * ```
 */
export async function runReplicas<Data, Result>(options: RunReplicasOptions<Data>): Promise<Result[]> {
  const {
    replicas,
    worker: file,
    data,
    timeoutMs = 600_000,
    graceMs = 5000,
    stop,
    signal,
    capacity,
    execArgv,
  } = options;
  if (!Number.isInteger(replicas) || replicas < 1 || replicas > 256) {
    throw new ConfigError(`replicas must be an integer from 1 to 256, got ${replicas}.`, { replicas });
  }
  signal?.throwIfAborted();
  const memory = collectiveMemory({ size: replicas, ...(capacity === undefined ? {} : { capacity }) });
  const ranks = Array.from({ length: replicas }, (_, rank) => rank);
  const failures: ReplicaError[] = [];
  const timers: NodeJS.Timeout[] = [];
  const workers: Worker[] = [];
  const end = (some: readonly Worker[]) => {
    timers.push(setTimeout(() => some.forEach((worker) => void worker.terminate()), graceMs));
  };
  const onStop = () => askToStop(memory);
  const onAbort = () => {
    failCollective(memory, "aborted");
    for (const worker of workers) void worker.terminate();
  };
  if (stop?.aborted) onStop();
  stop?.addEventListener("abort", onStop, { once: true });
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const ends = ranks.map((rank) => {
      const order: ReplicaOrder = { caddetReplica: { memory, rank, timeoutMs }, data };
      const worker = new Worker(file, { workerData: order, ...(execArgv === undefined ? {} : { execArgv }) });
      workers.push(worker);
      return follow(worker, rank, ({ failure }) => {
        if (!failure) return end([worker]);
        failures.push(failure);
        failCollective(memory, "lost", rank);
        if (failures.length === 1) end(workers);
      });
    });
    const outcomes = await Promise.all(ends);
    signal?.throwIfAborted();
    const cause = firstCause(failures);
    if (cause) throw cause;
    return outcomes.map(({ result }) => result as Result);
  } finally {
    for (const timer of timers) clearTimeout(timer);
    stop?.removeEventListener("abort", onStop);
    signal?.removeEventListener("abort", onAbort);
    // Only where starting one failed are there any left.
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
