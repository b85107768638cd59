import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { prefetched } from "../src/loader/prefetch";

const never = new AbortController().signal;
const numbers = Array.from({ length: 20 }, (_, n) => n);

describe("prefetched", () => {
  it("keeps the order though later jobs end first, and passes over undefined", async () => {
    const out: number[] = [];
    const run = async (n: number) => {
      await wait(n % 4 === 0 ? 8 : 1);
      return n % 5 === 3 ? undefined : n;
    };
    for await (const n of prefetched(numbers, run, { ahead: 4, signal: never })) out.push(n);
    expect(out).toEqual(numbers.filter((n) => n % 5 !== 3));
  });

  it("starts no more than it may, and works on while the consumer is busy", async () => {
    let started = 0;
    let taken = 0;
    const run = async (n: number) => {
      started = Math.max(started, n + 1);
      return n;
    };
    for await (const n of prefetched(numbers, run, { ahead: 3, signal: never })) {
      taken = n + 1;
      await wait(2);
      expect(started - taken).toBeLessThanOrEqual(3);
      expect(started).toBe(Math.min(numbers.length, taken + 3));
    }
    expect(taken).toBe(numbers.length);
  });

  it("throws a failure at its turn, and none of those behind it goes unhandled", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", note);
    const out: number[] = [];
    const run = async (n: number) => {
      if (n >= 2) throw new Error(`job ${n}`);
      await wait(5);
      return n;
    };
    const consume = async () => {
      for await (const n of prefetched(numbers, run, { ahead: 6, signal: never })) out.push(n);
    };
    await expect(consume()).rejects.toThrow("job 2");
    await wait(10);
    process.off("unhandledRejection", note);
    expect(out).toEqual([0, 1]);
    expect(unhandled).toEqual([]);
  });

  it("discards what was made and not taken, and nothing else", async () => {
    const discarded: number[] = [];
    const options = { ahead: 3, signal: never, discard: (n: number) => discarded.push(n) };
    for await (const n of prefetched(numbers, async (n) => (n === 3 ? undefined : n), options)) if (n === 1) break;
    expect(discarded).toEqual([2, 4]);
    discarded.length = 0;
    for await (const _ of prefetched(numbers, async (n) => n, options));
    expect(discarded).toEqual([]);
  });

  it("starts nothing more once the consumer leaves, and has nothing in work then", async () => {
    let started = 0;
    let inWork = 0;
    const aborted: boolean[] = [];
    const run = async (n: number, signal: AbortSignal) => {
      started++;
      inWork++;
      await wait(5);
      inWork--;
      aborted.push(signal.aborted);
      return n;
    };
    for await (const n of prefetched(numbers, run, { ahead: 3, signal: never })) if (n === 1) break;
    expect(inWork).toBe(0);
    const after = started;
    expect(after).toBe(5);
    expect(aborted.includes(true)).toBe(true);
    await wait(20);
    expect(started).toBe(after);
  });

  it("ends when the signal says so", async () => {
    const controller = new AbortController();
    const out: number[] = [];
    for await (const n of prefetched(numbers, async (job) => job, { ahead: 3, signal: controller.signal })) {
      out.push(n);
      if (n === 4) controller.abort();
    }
    expect(out).toEqual([0, 1, 2, 3, 4]);
  });
});
