// A training by several threads, seen from the one that starts them. What each of them does is training-rank.ts'.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CaddetError, ConfigError } from "@caddet/core";
import { ReplicaError } from "@caddet/distributed";
import { runReplicas } from "@caddet/distributed/node";
import type { ProgressStream } from "@caddet/trainer/node";
import type { RankSummary, TrainingOrder } from "./training-rank";

/** What a thread is started with. */
export interface ReplicaData {
  readonly order: TrainingOrder;
  /** What standard error is, which a thread cannot see. */
  readonly terminal: Pick<ProgressStream, "isTTY" | "columns">;
}

/** Options of {@link trainReplicas}. */
export interface TrainReplicasOptions {
  readonly replicas: number;
  /** Asks all to end after the current step. */
  readonly stop: AbortSignal;
  /** What shows progress; only its width is asked for, threads write to standard error. */
  readonly progress: ProgressStream;
  /** The file that each thread runs. Default: the built one. */
  readonly worker?: URL;
}

// A loader that runs the sources (.ts) does not reach into threads: they take the build.
const IS_SOURCE = import.meta.url.endsWith(".ts");
const WORKER = new URL(IS_SOURCE ? "../dist/train-replica.js" : "./train-replica.js", import.meta.url);

// The others wait while rank 0 evaluates. A thread that ends or throws is noticed at once, whatever this is.
const LONGEST_WAIT_MS = 24 * 60 * 60 * 1000;

/**
 * Trains in several threads of this process, each with its share of the images.
 *
 * @param order what to train
 * @param options how many, who stops them
 * @returns what each rank says, rank 0 first
 * @throws ReplicaError with what went wrong on the rank that failed first; a fault of the program as it was thrown there
 */
export async function trainReplicas(order: TrainingOrder, options: TrainReplicasOptions): Promise<RankSummary[]> {
  const { replicas, stop, progress, worker = WORKER } = options;
  if (!existsSync(fileURLToPath(worker))) {
    throw new ConfigError(
      "Replicas need the built package. Run `npm run build` in the repository's root, then try again.",
    );
  }
  const { isTTY = false, columns = 80 } = progress;
  try {
    return await runReplicas<ReplicaData, RankSummary>({
      replicas,
      worker,
      data: { order, terminal: { isTTY, columns } },
      timeoutMs: LONGEST_WAIT_MS,
      stop,
      // What loads the caller's sources is not meant for the build.
      execArgv: [],
    });
  } catch (error) {
    // Its own stack says where the fault is.
    const isFault =
      error instanceof ReplicaError && error.cause instanceof Error && !(error.cause instanceof CaddetError);
    throw isFault ? error.cause : error;
  }
}
