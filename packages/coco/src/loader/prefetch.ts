// A bounded pipeline: works on the next few jobs while the consumer is busy, hands results out in order, and stops when the
// consumer leaves. Knows nothing of images.

/** How far ahead to work, what ends it, and where results go that nobody takes. */
export interface PrefetchOptions<Result> {
  /** Jobs in work or finished beyond the one that the consumer holds, from 1. */
  readonly ahead: number;
  readonly signal: AbortSignal;
  /** Takes each result that was made but not handed out, because the consumer left. Default: it is dropped. */
  readonly discard?: (result: Result) => void;
}

/**
 * Runs jobs ahead of the consumer.
 *
 * @param jobs in the order of their results
 * @param run one job; undefined is passed over. It should stop early once its signal is aborted
 * @param options how far ahead, and a signal that ends everything
 * @returns the results in order; leaving early aborts what is in work and waits for it
 */
export async function* prefetched<Job, Result>(
  jobs: readonly Job[],
  run: (job: Job, signal: AbortSignal) => Promise<Result | undefined>,
  { ahead, signal, discard = () => {} }: PrefetchOptions<Result>,
): AsyncGenerator<Result, void, undefined> {
  const leaving = new AbortController();
  const either = AbortSignal.any([signal, leaving.signal]);
  const inWork: Promise<Result | undefined>[] = [];
  let next = 0;
  const fill = () => {
    while (inWork.length < ahead && next < jobs.length && !either.aborted) {
      const job = run(jobs[next++]!, either);
      // A failure is thrown when its turn comes; until then it must not count as unhandled.
      job.catch(() => {});
      inWork.push(job);
    }
  };
  try {
    for (fill(); inWork.length > 0 && !either.aborted; fill()) {
      const result = await inWork[0]!;
      if (either.aborted) break;
      inWork.shift();
      fill();
      if (result !== undefined) yield result;
    }
  } finally {
    leaving.abort();
    for (const job of await Promise.allSettled(inWork)) {
      if (job.status === "fulfilled" && job.value !== undefined) discard(job.value);
    }
  }
}
