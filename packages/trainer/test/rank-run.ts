// A training run as one rank of several, or alone.
import { type Collective, createRandom, readState } from "@caddet/core";
import { type BatchSource, createTrainer, type StepRecord, type TrainBatch, type TrainConfigInput } from "../src";
import { checkpointHook, resumeNewest, runFolder } from "../src/node";
import { CLASSES, squaresBatch, tinyConfig, tinyDetector } from "./tiny-run";

/** What a run does. */
export interface RankOrder {
  readonly config: TrainConfigInput;
  readonly batchesPerEpoch: number;
  /** How many images each rank takes of a batch of four. */
  readonly share: number;
  /** What goes wrong, on rank 1 alone. */
  readonly fault?: "nan" | "throw" | "drift" | "stop" | "short";
  /** Where rank 0, and it alone, writes checkpoints. */
  readonly folder?: string;
  /** Whether all go on from the newest of them. */
  readonly resume?: boolean;
}

/** What a run leaves. */
export interface RankResult {
  readonly state: ReadonlyMap<string, ArrayLike<number>>;
  readonly records: readonly StepRecord[];
  readonly step: number;
  /** Hooks that were called, by name. */
  readonly called: readonly string[];
  readonly leftOut: number;
}

// Four images, the same for all; each rank takes its share in its turn.
function shareOf(epoch: number, index: number, rank: number, share: number): TrainBatch {
  const both = [0, 1].map((part) => squaresBatch(epoch, 2 * index + part));
  const [, h, w, c] = both[0]!.shape;
  const images = Float32Array.from(both.flatMap((batch) => [...batch.images]));
  const own = <T>(all: readonly T[]) => all.slice(rank * share, (rank + 1) * share);
  return {
    images: images.slice(rank * share * h * w * c, (rank + 1) * share * h * w * c),
    shape: [share, h, w, c],
    truths: own(both.flatMap(({ truths }) => truths)),
    sizes: own(both.flatMap(({ sizes }) => sizes)),
    imageIds: own(both.flatMap(({ imageIds }) => imageIds.map((id) => id + 2 ** 33))),
  };
}

/** Trains on the current backend. */
export async function runRank(order: RankOrder, collective: Collective): Promise<RankResult> {
  const { rank } = collective;
  const { batchesPerEpoch, share, folder } = order;
  const fault = rank === 1 ? order.fault : undefined;
  // The sentinel counts tensors, those of the other ranks among them.
  const config = tinyConfig({ leakSteps: 0, ...order.config });
  const random = createRandom(fault === "drift" ? 8 : 7);
  const detector = tinyDetector(config, random);
  const batches: BatchSource = {
    batchesPerEpoch,
    async *epoch(epoch, { startBatch = 0 } = {}) {
      for (let i = startBatch; i < batchesPerEpoch; i++) {
        if (fault === "throw" && i === 1) throw new Error("the disk of rank 1 is gone");
        const batch = shareOf(epoch, i, rank, fault === "short" ? share - 1 : share);
        if (fault === "nan" && i === 1) batch.images.fill(Number.NaN);
        yield batch;
      }
    },
  };
  const records: StepRecord[] = [];
  const called = new Set<string>();
  let leftOut = 0;
  const stop = { aborted: false };
  const hooks = [
    { name: "rank 0's", onStart: () => void called.add("rank 0's") },
    {
      name: "everyone's",
      everyRank: true,
      onStep: (record: StepRecord) => {
        called.add("everyone's");
        records.push(record);
        if (fault === "stop" && record.step === 2) stop.aborted = true;
      },
      onNonFinite: () => {
        leftOut++;
      },
    },
    ...(folder ? [checkpointHook(runFolder(folder), CLASSES)] : []),
  ];
  const trainer = createTrainer({ detector, batches, config, random, hooks, signal: stop, collective });
  try {
    if (order.resume) await resumeNewest(trainer, runFolder(folder!), CLASSES);
    await trainer.run();
    const state = [...(await readState(detector))].map(([name, { data }]) => [name, data as Float32Array] as const);
    return { state: new Map(state), records, step: trainer.position.step, called: [...called], leftOut };
  } finally {
    trainer.dispose();
    detector.dispose();
  }
}
