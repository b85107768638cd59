// What of a run is neither weights nor optimiser, as plain data that a checkpoint holds: position, random numbers, what was evaluated,
// what was not finite.
import type { RandomState } from "@caddet/core";
import { z } from "zod";

/** Where a run stands. */
export interface TrainPosition {
  /** Steps done. */
  readonly step: number;
  readonly epoch: number;
  /** Batches of `epoch` that are done. */
  readonly batch: number;
}

/** What each rank of a run has to itself. */
export interface RankState {
  /** Of the generator that the detector draws from in training; null without one. */
  readonly random: RandomState | null;
  /** What the budget mapping remembers; null where it remembers nothing. */
  readonly mapping: unknown;
}

/** A run's state beside weights, optimiser, mapping and position. */
export interface RunState extends Pick<RankState, "random"> {
  /** Of ranks 1, 2, …: `random` here and the mapping beside it are rank 0's. */
  readonly others: readonly RankState[];
  readonly nonFinite: {
    /** Batches that were left out. */
    readonly count: number;
    /** `[epoch, batch]` of those that a run put back to its checkpoint will not take again. */
    readonly avoided: readonly (readonly [number, number])[];
  };
  /** The last evaluation; null for a number that was not finite. */
  readonly evaluation: {
    readonly step: number;
    readonly metrics: Readonly<Record<string, number | null>>;
  } | null;
  /** The best evaluation by the metric of `checkpoint.best`. */
  readonly best: { readonly step: number; readonly value: number } | null;
  /** How many ranks train together; of another number, the steps are others. */
  readonly ranks: number;
}

const natural = z.int().min(0);
const word = natural.max(0xffffffff);

const randomSchema = z.tuple([word, word, word, word]).nullable().default(null);

export const positionSchema = z.strictObject({ step: natural, epoch: natural, batch: natural });

/** Of a checkpoint; older ones lack it. */
export const runStateSchema = z.strictObject({
  random: randomSchema,
  others: z.array(z.strictObject({ random: randomSchema, mapping: z.unknown() })).default([]),
  nonFinite: z
    .strictObject({ count: natural, avoided: z.array(z.tuple([natural, natural])).max(100_000) })
    .default({ count: 0, avoided: [] }),
  evaluation: z
    .strictObject({ step: natural, metrics: z.record(z.string(), z.number().nullable()) })
    .nullable()
    .default(null),
  best: z.strictObject({ step: natural, value: z.number() }).nullable().default(null),
  ranks: z.int().min(1).default(1),
});

/**
 * What of a checkpoint is one rank's.
 *
 * @param state the run's
 * @param mapping rank 0's
 * @param rank whose
 * @returns that rank's; rank 0's where the checkpoint is an older one, which has no other
 */
export function rankStateOf({ random, others }: RunState, mapping: unknown, rank: number): RankState {
  return others[rank - 1] ?? { random, mapping };
}
