// Which images run together, and in which order.
import { describe, expect, it } from "vitest";
import type { EngineBatch } from "../src";
import { createScheduler, type Job } from "../src/scheduler";
import { fakeEngine } from "./models";

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function job(number: number, side = 2, release = () => {}): Job {
  const values = new Float32Array(side * side * 3);
  values[0] = number;
  return { values, input: { height: side, width: side }, size: { height: side, width: side }, release };
}

/** An engine whose batches wait to be let go, one by one. */
function gated(options?: Parameters<typeof fakeEngine>[1]) {
  const open: (() => void)[] = [];
  const engine = fakeEngine(() => new Promise((resolve) => open.push(resolve)), options);
  return {
    engine,
    next: async () => {
      while (open.length === 0) await sleep(0);
      open.shift()!();
      await sleep(1);
    },
  };
}

describe("createScheduler", () => {
  it("sends what is there at once, and what comes meanwhile together", async () => {
    const { engine, next } = gated();
    const { run } = createScheduler(engine, { images: 3, delayMs: 0 });
    const results = [0, 1, 2, 3, 4].map((i) => run(job(i)));
    await next();
    await next();
    await next();
    expect(engine.batches.map(({ images }) => images)).toEqual([[0], [1, 2, 3], [4]]);
    const answers = await Promise.all(results);
    expect(answers.map(({ detections }) => detections.scores[0])).toEqual([0, 1, 2, 3, 4]);
    expect(answers.map(({ batch }) => batch)).toEqual([1, 3, 3, 3, 1]);
    expect(answers.map(({ madds }) => madds)).toEqual([4, 4, 4, 4, 4]);
    expect(answers.map(({ gates }) => gates!.length)).toEqual([2, 2, 2, 2, 2]);
  });

  it("puts images of one input size into a batch, and no others", async () => {
    const { engine, next } = gated();
    const { run } = createScheduler(engine, { images: 8, delayMs: 0 });
    const results = [2, 2, 3, 2, 3].map((side, i) => run(job(i, side)));
    for (let i = 0; i < 3; i++) await next();
    await Promise.all(results);
    for (const { input, images } of engine.batches) {
      const sides = images.map((i) => [2, 2, 3, 2, 3][i]);
      expect(new Set(sides)).toEqual(new Set([Number(input[0])]));
    }
    expect(engine.batches.length).toBe(3);
  });

  it("lets cheap images overtake dear ones that came at the same time", async () => {
    const { engine, next } = gated();
    const { run } = createScheduler(engine, { images: 1, delayMs: 0 });
    const results = [run(job(0)), run(job(1, 60)), run(job(2, 2))];
    await sleep(5);
    for (let i = 0; i < 3; i++) await next();
    await Promise.all(results);
    expect(engine.batches.map(({ images }) => images[0])).toEqual([0, 2, 1]);
  });

  it("lets no dear image starve behind a stream of cheap ones", async () => {
    const engine = fakeEngine(() => sleep(1));
    const { run } = createScheduler(engine, { images: 1, delayMs: 0 });
    let isDone = false;
    let cheap = 0;
    // 25 times the cost: it is overtaken for 25 times as long as a cheap one waits, and no longer.
    const stream = (async () => {
      const results: Promise<unknown>[] = [];
      while (!isDone && cheap < 2000) {
        results.push(run(job(cheap++, 2)), run(job(cheap++, 2)));
        await results.at(-2);
      }
      await Promise.all(results);
    })();
    await run(job(-1, 10));
    isDone = true;
    await stream;
    expect(cheap).toBeLessThan(1000);
  });

  it("waits for others as long as it may, and no longer for a full batch", async () => {
    const engine = fakeEngine();
    const { run } = createScheduler(engine, { images: 3, delayMs: 40 });
    const started = performance.now();
    const first = run(job(0));
    await sleep(10);
    await Promise.all([first, run(job(1))]);
    expect(performance.now() - started).toBeGreaterThanOrEqual(38);
    expect(engine.batches.map(({ images }) => images)).toEqual([[0, 1]]);
    const patient = createScheduler(engine, { images: 3, delayMs: 30_000 });
    await Promise.all([2, 3, 4].map((i) => patient.run(job(i))));
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(engine.batches[1]!.images).toEqual([2, 3, 4]);
  });

  it("has two batches under way on devices that gain from batches, one on others", async () => {
    for (const [preferredBatch, most] of [
      [1, 1],
      [4, 2],
    ]) {
      let [running, peak] = [0, 0];
      const work = async () => {
        peak = Math.max(peak, ++running);
        await sleep(2);
        running--;
      };
      const { run } = createScheduler(fakeEngine(work, { preferredBatch: preferredBatch! }), { images: 1, delayMs: 0 });
      await Promise.all(Array.from({ length: 6 }, (_, i) => run(job(i))));
      expect(peak).toBe(most);
    }
  });

  it("fails the images of a batch that fails, and goes on; what it held is let go of once", async () => {
    const fail = async ({ values }: EngineBatch) => {
      if (values[0] === 1) throw new Error("out of memory");
    };
    const released: number[] = [];
    const { run } = createScheduler(fakeEngine(fail), { images: 1, delayMs: 0 });
    const results = [0, 1, 2].map((i) => run(job(i, 2, () => released.push(i))));
    expect((await Promise.allSettled(results)).map(({ status }) => status)).toEqual([
      "fulfilled",
      "rejected",
      "fulfilled",
    ]);
    await expect(results[1]).rejects.toThrow("out of memory");
    await sleep(0);
    expect(released).toEqual([0, 1, 2]);
  });

  it("drops images that wait when their signal says so, and lets those run that run", async () => {
    const { engine, next } = gated();
    const { run } = createScheduler(engine, { images: 1, delayMs: 0 });
    const released: number[] = [];
    const aborts = [0, 1, 2, 3].map(() => new AbortController());
    const results = aborts.map(({ signal }, i) =>
      run(
        job(i, 2, () => released.push(i)),
        signal,
      ),
    );
    aborts[0]!.abort(); // under way
    aborts[2]!.abort(new Error("no more"));
    await expect(results[2]).rejects.toThrow("no more");
    expect(released).toEqual([2]);
    for (let i = 0; i < 3; i++) await next();
    await Promise.all([results[0], results[1], results[3]]);
    expect(engine.batches.map(({ images }) => images[0])).toEqual([0, 1, 3]);
    expect(released).toEqual([2, 0, 1, 3]);
    const late = new AbortController();
    late.abort(new Error("too late"));
    await expect(
      run(
        job(9, 2, () => released.push(9)),
        late.signal,
      ),
    ).rejects.toThrow("too late");
    expect(released.at(-1)).toBe(9);
    expect(engine.batches.length).toBe(3);
  });
});
