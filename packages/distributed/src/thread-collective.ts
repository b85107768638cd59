// A Collective over threads that share memory: reduce-scatter, then all-gather. Each rank sums its own slice over all ranks, in the order of the
// ranks and in float64, so the result is the same to the bit whoever comes first. An operation that differs between ranks, a rank that is lost
// and one that does not come are errors on every rank, never a wait without end.
import { type Collective, ConfigError } from "@caddet/core";
import { type CollectiveMemory, failCollective, type Plan, Seat } from "./collective-memory";
import { CollectiveError } from "./errors";

/** Options of {@link threadCollective}. */
export interface ThreadCollectiveOptions {
  /** What `collectiveMemory` made, the same for all ranks. */
  readonly memory: CollectiveMemory;
  /** This thread's place, from 0. */
  readonly rank: number;
  /**
   * How to wait for others: `block` stops the thread, which is quickest; `async` leaves it its events, as a page's main thread needs.
   * Default `block`.
   */
  readonly wait?: "block" | "async";
  /** Longest wait for other ranks at one meeting, in milliseconds. Default 10 minutes. */
  readonly timeoutMs?: number;
}

/** A collective whose operations can also be done at once, inside code that cannot wait for a promise. */
export interface ThreadCollective extends Collective {
  /** As `allReduceMean`, but done when it returns. Needs `wait: "block"`. */
  allReduceMeanNow(arrays: readonly Float32Array[]): void;
  /** Makes all ranks throw at their next meeting, and those that wait now. */
  abort(): void;
}

type Answer = "ok" | "not-equal" | "timed-out";

/** Where a rank has to wait: for a bell that has rung so often, so many milliseconds. */
interface Pause {
  readonly rung: number;
  readonly ms: number;
}

type Steps = Generator<Pause, void, Answer>;

const KINDS = ["barrier", "allReduceMean", "broadcast"] as const;
type Kind = (typeof KINDS)[number];

function planFor(kind: Kind, arrays: readonly Float32Array[]): Plan {
  const numbers = arrays.reduce((n, { length }) => n + length, 0);
  const lengths = arrays.reduce((hash, { length }) => Math.imul(hash ^ length, 0x01000193), 0x811c9dc5 | 0);
  return [KINDS.indexOf(kind), arrays.length, numbers, lengths];
}

const describe = ([kind, arrays, numbers]: Plan) => `${KINDS[kind]} of ${arrays} arrays with ${numbers} numbers`;

// Calls `use` with each part of the arrays that lies between two places of all their numbers in a row.
function forEachPart(
  arrays: readonly Float32Array[],
  from: number,
  to: number,
  use: (part: Float32Array, at: number) => void,
): void {
  let start = 0;
  for (const array of arrays) {
    const [first, last] = [Math.max(from, start), Math.min(to, start + array.length)];
    if (first < last) use(array.subarray(first - start, last - start), first - from);
    start += array.length;
  }
}

// The mean over ranks of the numbers from `first` to `last`, into the slot behind those of the ranks.
function meanInto({ numbers, memory: { size, capacity } }: Seat, first: number, last: number): void {
  const result = size * capacity;
  // Two are the common case, and four times as fast without a loop inside.
  if (size === 2) {
    for (let i = first; i < last; i++) numbers[result + i] = (numbers[i]! + numbers[capacity + i]!) / 2;
    return;
  }
  for (let i = first; i < last; i++) {
    let sum = 0;
    for (let at = i; at < result; at += capacity) sum += numbers[at]!;
    numbers[result + i] = sum / size;
  }
}

function copyInto({ numbers, memory: { size, capacity } }: Seat, first: number, last: number): void {
  numbers.copyWithin(size * capacity + first, first, last);
}

function failureText(seat: Seat, during: string): CollectiveError {
  const { reason, rank: other } = seat.failure()!;
  const { rank } = seat;
  const texts = {
    lost: `Rank ${other} threw or ended. Its own error says why`,
    timeout: `Rank ${other} did not come in time. Raise timeoutMs if it only needs longer`,
    mismatch: "The ranks called different operations. Call the same ones with the same lengths on each",
    left: `Rank ${other} has returned. All ranks have to do the same number of operations`,
    aborted: "The run was called off",
    unsupported: "This engine cannot wait",
  };
  return new CollectiveError(reason, `${texts[reason]}; rank ${rank} was at ${during}.`, { rank, other, during });
}

// Returns when all ranks are here.
function* meet(seat: Seat, during: string, timeoutMs: number): Steps {
  if (seat.failure()) throw failureText(seat, during);
  seat.arrive();
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const rung = seat.rung();
    const missing = seat.missing();
    if (missing.length === 0) return;
    if (seat.failure()) throw failureText(seat, during);
    const answer = yield { rung, ms: Math.max(0, deadline - performance.now()) };
    if (answer === "timed-out" && performance.now() >= deadline) failCollective(seat.memory, "timeout", missing[0]!);
  }
}

function checkPlans(seat: Seat, turn: number): void {
  const [first, ...others] = Array.from({ length: seat.memory.size }, (_, rank) => seat.planOf(turn, rank));
  const other = others.findIndex((plan) => plan.some((word, i) => word !== first![i])) + 1;
  if (other === 0) return;
  failCollective(seat.memory, "mismatch");
  throw new CollectiveError(
    "mismatch",
    `Rank 0 called ${describe(first!)}, rank ${other} ${describe(others[other - 1]!)}` +
      `${describe(first!) === describe(others[other - 1]!) ? " of other lengths" : ""}. ` +
      "All ranks have to call the same operations in the same order, with arrays of the same lengths.",
    { rank: seat.rank, other },
  );
}

function* operate(seat: Seat, turn: number, kind: Kind, arrays: readonly Float32Array[], timeoutMs: number): Steps {
  const { memory, rank, numbers } = seat;
  const { size, capacity } = memory;
  const plan = planFor(kind, arrays);
  const total = plan[2];
  seat.announce(turn, plan);
  for (let from = 0; from === 0 || from < total; from += capacity) {
    const to = Math.min(total, from + capacity);
    if (kind === "allReduceMean" || rank === 0) {
      forEachPart(arrays, from, to, (part, at) => numbers.set(part, rank * capacity + at));
    }
    yield* meet(seat, kind, timeoutMs);
    if (from === 0) checkPlans(seat, turn);
    if (total === 0) return;
    const share = (k: number) => Math.floor(((to - from) * k) / size);
    (kind === "broadcast" ? copyInto : meanInto)(seat, share(rank), share(rank + 1));
    yield* meet(seat, kind, timeoutMs);
    // Nobody writes results before all have come to the next meeting, and so have read these.
    forEachPart(arrays, from, to, (part, at) => {
      const start = size * capacity + at;
      part.set(numbers.subarray(start, start + part.length));
    });
  }
}

function runBlocking(steps: Steps, seat: Seat): void {
  const [words, place] = seat.bell;
  for (let next = steps.next(); !next.done; ) {
    const { rung, ms } = next.value;
    next = steps.next(Atomics.wait(words, place, rung, ms));
  }
}

/** `Atomics.waitAsync`, which TypeScript's ES2023 lacks. */
type WaitAsync = (
  words: Int32Array,
  place: number,
  value: number,
  ms: number,
) => { readonly value: Answer | Promise<Answer> };

async function runAsync(steps: Steps, seat: Seat): Promise<void> {
  const { waitAsync } = Atomics as unknown as { readonly waitAsync?: WaitAsync };
  if (!waitAsync) {
    throw new CollectiveError("unsupported", 'Atomics.waitAsync is not here. Use wait: "block" inside a worker.');
  }
  const [words, place] = seat.bell;
  // A pending waitAsync alone does not keep Node alive.
  const alive = setInterval(() => {}, 1000);
  try {
    for (let next = steps.next(); !next.done; ) {
      const { rung, ms } = next.value;
      next = steps.next(await waitAsync(words, place, rung, ms).value);
    }
  } finally {
    clearInterval(alive);
  }
}

/**
 * A rank's way to exchange arrays with the other ranks of its run, each in a thread of its own. Ranks have to call the same operations in the same
 * order, with arrays of the same lengths; whatever goes wrong on one, all throw.
 *
 * @param options memory, rank, and how to wait
 * @returns the collective; its operations change the arrays they get
 * @throws ConfigError for a rank that the memory has no place for. The operations throw CollectiveError, whose `reason` is `lost`,
 * `timeout`, `mismatch`, `left`, `aborted` or `unsupported`
 * @example
 * ```ts
 * const collective = threadCollective({ memory, rank: 1 });
 * await collective.allReduceMean([gradients]);
 * ```
 */
export function threadCollective(options: ThreadCollectiveOptions): ThreadCollective {
  const { memory, rank, wait = "block", timeoutMs = 600_000 } = options;
  const { size } = memory;
  if (!Number.isInteger(rank) || rank < 0 || rank >= size) {
    throw new ConfigError(`rank must be an integer from 0 to ${size - 1}, got ${rank}.`, { rank, size });
  }
  if (!(timeoutMs > 0)) throw new ConfigError(`timeoutMs must be more than 0, got ${timeoutMs}.`, { timeoutMs });
  const seat = new Seat(memory, rank);
  let turn = 0;
  let last: Promise<void> = Promise.resolve();
  const stepsOf = (kind: Kind, arrays: readonly Float32Array[]) => operate(seat, turn++, kind, arrays, timeoutMs);
  const run = async (kind: Kind, arrays: readonly Float32Array[] = []): Promise<void> => {
    if (size === 1) return;
    if (wait === "block") return runBlocking(stepsOf(kind, arrays), seat);
    // One after another, in the order of the calls.
    const next = () => runAsync(stepsOf(kind, arrays), seat);
    last = last.then(next, next);
    return last;
  };
  return {
    rank,
    size,
    allReduceMean: (arrays) => run("allReduceMean", arrays),
    broadcast: (arrays) => run("broadcast", arrays),
    barrier: () => run("barrier"),
    allReduceMeanNow(arrays) {
      if (size === 1) return;
      if (wait === "async") throw new ConfigError('allReduceMeanNow needs a collective with wait: "block".');
      runBlocking(stepsOf("allReduceMean", arrays), seat);
    },
    abort: () => failCollective(memory, "aborted", rank),
  };
}
