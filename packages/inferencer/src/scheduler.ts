// Which images run together, and when: prepared images of equal input size wait here for the engine, and go as a batch as soon as it is
// free. Among input sizes, the one goes first whose oldest image has waited longest for what it is predicted to cost (highest response
// ratio next: Brinch Hansen 1971): cheap images overtake dear ones, which keeps the mean wait low, and as waiting makes every image
// more urgent without bound, none starves. Within a size it is first come, first served.
import type { Detections, ImageSize, Size } from "@caddet/core";
import { onAbort } from "./abort";
import type { Engine } from "./engine";
import { createCostPredictor } from "./predicted-cost";

/** Batches under way at once where the device is another one than the CPU that prepares them: it need not wait for the next. */
const OVERLAPPING = 2;

/** An image that is ready to run. */
export interface Job {
  /** `[H * W * 3]`: normalised and padded. The scheduler's from now on. */
  readonly values: Float32Array;
  readonly input: Size;
  readonly size: ImageSize;
  /** Called once, when the scheduler has no more use for the values. */
  readonly release: () => void;
}

/** What came of it. */
export interface JobResult {
  readonly detections: Detections;
  /** `[P]`; absent for a static backbone. */
  readonly gates?: Float32Array;
  readonly madds?: number;
  /** Wall time of its batch, milliseconds. */
  readonly ms: number;
  /** Images of its batch. */
  readonly batch: number;
}

/** When batches are closed. */
export interface SchedulerOptions {
  /** Most images in a batch. */
  readonly images: number;
  /** How long an image may wait for others, milliseconds. */
  readonly delayMs: number;
}

/** Runs images in batches. */
export interface Scheduler {
  /** Runs an image. The signal drops it while it waits; once it runs, it runs to its end. */
  run(job: Job, signal?: AbortSignal): Promise<JobResult>;
}

interface Waiting extends Omit<Job, "values"> {
  values: Float32Array;
  readonly since: number;
  /** Told when it runs: it can no more be dropped. */
  readonly start: () => void;
  readonly resolve: (result: JobResult) => void;
  readonly reject: (error: unknown) => void;
}

function bySize(waiting: readonly Waiting[]): Iterable<Waiting[]> {
  const groups = new Map<string, Waiting[]>();
  for (const job of waiting) {
    const key = `${job.input.height}x${job.input.width}`;
    const group = groups.get(key);
    if (group) group.push(job);
    else groups.set(key, [job]);
  }
  return groups.values();
}

const NOTHING = new Float32Array(0);

// The values of a batch. The jobs let go of theirs, so that none is in memory twice for longer than the copy takes.
function joined(jobs: readonly Waiting[]): Float32Array {
  const { length } = jobs[0]!.values;
  const all = jobs.length === 1 ? jobs[0]!.values : new Float32Array(jobs.length * length);
  for (const [b, job] of jobs.entries()) {
    if (jobs.length > 1) all.set(job.values, b * length);
    job.values = NOTHING;
  }
  return all;
}

/**
 * Makes a scheduler.
 *
 * @param engine what runs the batches; it stays the caller's
 * @param options when batches are closed
 * @returns a scheduler with nothing to do
 */
export function createScheduler(engine: Engine, { images, delayMs }: SchedulerOptions): Scheduler {
  const costs = createCostPredictor(engine.allOpenMadds?.bind(engine));
  const atOnce = engine.preferredBatch > 1 ? OVERLAPPING : 1;
  const waiting: Waiting[] = []; // by arrival
  let running = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  // The next batch, or how long it has to wait for others.
  const choose = (now: number): Waiting[] | number => {
    let best: Waiting[] = [];
    let bestRatio = -1;
    let soonest = Number.POSITIVE_INFINITY;
    for (const group of bySize(waiting)) {
      const [oldest] = group;
      const waited = now - oldest!.since;
      const ratio = waited / Math.max(1, costs.predict(oldest!.input));
      if (group.length < images && waited < delayMs) soonest = Math.min(soonest, delayMs - waited);
      else if (ratio > bestRatio) [best, bestRatio] = [group.slice(0, images), ratio];
    }
    return best.length > 0 ? best : soonest;
  };

  const runBatch = async (jobs: readonly Waiting[]): Promise<void> => {
    const started = performance.now();
    const { input } = jobs[0]!;
    try {
      const sizes = jobs.map(({ size }) => size);
      const { detections, gates, madds } = await engine.run({ values: joined(jobs), input, sizes });
      const ms = performance.now() - started;
      const paths = (gates?.length ?? 0) / jobs.length;
      for (const [b, job] of jobs.entries()) {
        if (madds) costs.learn(input, madds[b]!);
        job.resolve({
          detections: detections[b]!,
          ...(gates && madds ? { gates: gates.slice(b * paths, (b + 1) * paths), madds: madds[b]! } : {}),
          ms,
          batch: jobs.length,
        });
      }
    } catch (error) {
      for (const job of jobs) job.reject(error);
    } finally {
      for (const job of jobs) job.release();
    }
  };

  const dispatch = () => {
    clearTimeout(timer);
    while (running < atOnce && waiting.length > 0) {
      const jobs = choose(performance.now());
      if (typeof jobs === "number") {
        timer = setTimeout(dispatch, jobs);
        return;
      }
      for (const job of jobs) {
        waiting.splice(waiting.indexOf(job), 1);
        job.start();
      }
      running++;
      void runBatch(jobs).finally(() => {
        running--;
        dispatch();
      });
    }
  };

  return {
    run: (job, signal) =>
      new Promise((resolve, reject) => {
        const drop = () => {
          forget();
          waiting.splice(waiting.indexOf(own), 1);
          job.release();
          reject(signal!.reason);
        };
        if (signal?.aborted) {
          job.release();
          return reject(signal.reason);
        }
        const forget = onAbort(signal, drop);
        const own: Waiting = { ...job, since: performance.now(), start: forget, resolve, reject };
        waiting.push(own);
        dispatch();
      }),
  };
}
