// The memory that the replicas of a run share: a bell, a counter of arrivals a rank, what each rank is about to do, and room for numbers. Who
// holds it may take part; how they take turns is in thread-collective.ts.
import { ConfigError } from "@caddet/core";
import { CollectiveError, type CollectiveFailure } from "./errors";

/** Shared memory of a run. It can be sent to other threads as it is. */
export interface CollectiveMemory {
  /** Ranks. */
  readonly size: number;
  /** Numbers that are exchanged at once; longer arrays go piece by piece. */
  readonly capacity: number;
  readonly control: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
}

/** Options of {@link collectiveMemory}. */
export interface CollectiveMemoryOptions {
  /** Ranks, from 1. */
  readonly size: number;
  /** Numbers that are exchanged at once, default 2^20. The memory is 4 · (size + 1) · capacity bytes. */
  readonly capacity?: number;
}

// Words of `control`: five of the run, an arrival counter a rank, and for each rank what it is about to do, twice.
const BELL = 0;
const FAILURE = 1;
const LEAVER = 2;
const STOP = 3;
const ARRIVALS = 4;
const PLAN_WORDS = 4;
const FAILURES: readonly CollectiveFailure[] = ["lost", "timeout", "mismatch", "left", "aborted"];

/** What a rank is about to do: a kind of operation, and lengths of arrays. */
export type Plan = readonly [kind: number, arrays: number, numbers: number, lengths: number];

/**
 * Makes the memory of a run.
 *
 * @param options how many ranks, and how many numbers go at once
 * @returns memory to hand to every rank
 * @throws CollectiveError `unsupported` where there is no SharedArrayBuffer; ConfigError for a size or capacity that is no natural number
 * @example const memory = collectiveMemory({ size: 2 });
 */
export function collectiveMemory({ size, capacity = 2 ** 20 }: CollectiveMemoryOptions): CollectiveMemory {
  for (const [name, value] of Object.entries({ size, capacity })) {
    if (!Number.isInteger(value) || value < 1 || value > 2 ** 28) {
      throw new ConfigError(`${name} must be an integer from 1, got ${value}.`, { [name]: value });
    }
  }
  if (typeof SharedArrayBuffer === "undefined") {
    throw new CollectiveError(
      "unsupported",
      "Replicas need SharedArrayBuffer, which is not here. A page has it when it is served with the headers " +
        "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp; Node has it always.",
    );
  }
  const words = ARRIVALS + size + 2 * size * PLAN_WORDS;
  const control = new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT);
  const data = new SharedArrayBuffer((size + 1) * capacity * Float32Array.BYTES_PER_ELEMENT);
  return { size, capacity, control, data };
}

const wordsOf = ({ control }: CollectiveMemory) => new Int32Array(control);

function ring(control: Int32Array): void {
  Atomics.add(control, BELL, 1);
  Atomics.notify(control, BELL);
}

/**
 * Makes every rank that waits, or will wait, throw. The first call counts.
 *
 * @param memory the run's memory
 * @param reason why
 * @param rank whose fault it is; without one it is nobody's
 * @example failCollective(memory, "lost", 1);
 */
export function failCollective(memory: CollectiveMemory, reason: CollectiveFailure, rank = -1): void {
  const control = wordsOf(memory);
  Atomics.compareExchange(control, FAILURE, 0, ((FAILURES.indexOf(reason) + 1) << 16) | (rank + 1));
  ring(control);
}

/**
 * Says that a rank takes part no more. Who waits for it, or comes to wait for it, throws.
 *
 * @param memory the run's memory
 * @param rank who leaves
 */
export function leaveCollective(memory: CollectiveMemory, rank: number): void {
  const control = wordsOf(memory);
  Atomics.compareExchange(control, LEAVER, 0, rank + 1);
  ring(control);
}

/** Asks all ranks to come to an end by themselves; see {@link isStopAsked}. */
export function askToStop(memory: CollectiveMemory): void {
  Atomics.store(wordsOf(memory), STOP, 1);
}

/** Whether the ranks were asked to come to an end. */
export function isStopAsked(memory: CollectiveMemory): boolean {
  return Atomics.load(wordsOf(memory), STOP) === 1;
}

/** One rank's view of the memory. */
export class Seat {
  readonly memory: CollectiveMemory;
  readonly rank: number;
  /** `[(size + 1) * capacity]`: a slot for each rank, and one for results. */
  readonly numbers: Float32Array;
  readonly #control: Int32Array;
  #meetings = 0;

  constructor(memory: CollectiveMemory, rank: number) {
    this.memory = memory;
    this.rank = rank;
    this.numbers = new Float32Array(memory.data);
    this.#control = wordsOf(memory);
  }

  /** The words that a thread waits on, and the place of the bell in them. */
  get bell(): readonly [words: Int32Array, place: number] {
    return [this.#control, BELL];
  }

  /** How often the bell has rung; who wants to wait looks at it first. */
  rung(): number {
    return Atomics.load(this.#control, BELL);
  }

  /** Comes to the next meeting. */
  arrive(): void {
    this.#meetings = (this.#meetings + 1) | 0;
    Atomics.store(this.#control, ARRIVALS + this.rank, this.#meetings);
    ring(this.#control);
  }

  /** The ranks that have not come to the meeting yet that this one is at. */
  missing(): number[] {
    const ranks = Array.from({ length: this.memory.size }, (_, rank) => rank);
    // By difference, so that counters may overflow.
    return ranks.filter((rank) => ((Atomics.load(this.#control, ARRIVALS + rank) - this.#meetings) | 0) < 0);
  }

  /** Why the run cannot go on, and whose fault it is; undefined while it can. */
  failure(): { readonly reason: CollectiveFailure; readonly rank: number } | undefined {
    const failure = Atomics.load(this.#control, FAILURE);
    if (failure !== 0) return { reason: FAILURES[(failure >> 16) - 1]!, rank: (failure & 0xffff) - 1 };
    const leaver = Atomics.load(this.#control, LEAVER);
    return leaver === 0 ? undefined : { reason: "left", rank: leaver - 1 };
  }

  /** Writes what this rank is about to do at the meeting after `turn` others; two turns never share their words. */
  announce(turn: number, plan: Plan): void {
    for (const [i, word] of plan.entries()) Atomics.store(this.#control, this.#planAt(turn, this.rank) + i, word);
  }

  /** What a rank has announced. */
  planOf(turn: number, rank: number): Plan {
    const at = this.#planAt(turn, rank);
    return [0, 1, 2, 3].map((i) => Atomics.load(this.#control, at + i)) as unknown as Plan;
  }

  #planAt(turn: number, rank: number): number {
    const { size } = this.memory;
    return ARRIVALS + size + ((turn % 2) * size + rank) * PLAN_WORDS;
  }
}
