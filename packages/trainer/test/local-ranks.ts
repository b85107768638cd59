// Ranks of a data-parallel run as concurrent promises of one process: no threads, the same promises as a Collective between them gives.
import type { Collective } from "@caddet/core";

interface Call {
  readonly kind: string;
  readonly arrays: readonly Float32Array[];
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/** Said by all ranks once one has failed. */
export class LostRank extends Error {}

function combine(calls: readonly Call[]): void {
  const [first, ...others] = calls;
  const shape = ({ kind, arrays }: Call) => `${kind} ${arrays.map(({ length }) => length)}`;
  const odd = others.find((call) => shape(call) !== shape(first!));
  if (odd) throw new Error(`rank 0 called ${shape(first!)}, another one ${shape(odd)}`);
  for (const [k, array] of first!.arrays.entries()) {
    const all = calls.map(({ arrays }) => arrays[k]!);
    const mean = array.map((own, i) =>
      first!.kind === "broadcast" ? own : all.reduce((sum, values) => sum + values[i]!, 0) / all.length,
    );
    for (const values of all) values.set(mean);
  }
}

/**
 * Runs each rank, and waits for all.
 *
 * @param size how many
 * @param run what a rank does
 * @returns their results by rank
 * @throws what the rank that failed first threw
 */
export async function runRanks<T>(size: number, run: (collective: Collective) => Promise<T>): Promise<T[]> {
  let waiting = new Map<number, Call>();
  let lost = false;
  const lose = () => {
    lost = true;
    for (const { reject } of waiting.values()) reject(new LostRank("another rank failed"));
    waiting = new Map();
  };
  const call = (rank: number, kind: string, arrays: readonly Float32Array[]) =>
    new Promise<void>((resolve, reject) => {
      if (lost) return reject(new LostRank("another rank failed"));
      waiting.set(rank, { kind, arrays, resolve, reject });
      if (waiting.size < size) return;
      const calls = [...waiting].sort(([a], [b]) => a - b).map(([, entry]) => entry);
      waiting = new Map();
      try {
        combine(calls);
        for (const { resolve } of calls) resolve();
      } catch (error) {
        for (const { reject } of calls) reject(error as Error);
      }
    });
  const errors: unknown[] = [];
  const results = await Promise.all(
    Array.from({ length: size }, async (_, rank) => {
      const collective: Collective = {
        rank,
        size,
        allReduceMean: (arrays) => call(rank, "mean", arrays),
        broadcast: (arrays) => call(rank, "broadcast", arrays),
        barrier: () => call(rank, "barrier", []),
      };
      try {
        return await run(collective);
      } catch (error) {
        if (!(error instanceof LostRank)) errors.push(error);
        lose();
        return undefined as T;
      }
    }),
  );
  if (errors.length > 0) throw errors[0];
  return results;
}
