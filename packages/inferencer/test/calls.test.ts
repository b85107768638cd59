// Calls of an inferencer: many at once, aborted, closed, image by image; within a bound on memory, and with nothing left behind.
import { CaddetError, ConfigError } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { createInferencer, type Engine, type ImageSource, type Inferencer, type InferencerOptions } from "../src";
import { CLASSES, type FakeEngine, fakeEngine, movedDetector, noise } from "./models";

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
const PLAIN = { mean: [0, 0, 0], std: [255, 255, 255] } as const;
const SIZE = { shorter: 8, longer: 8 };

const around = (engine: Engine, options: Partial<InferencerOptions> = {}): Inferencer =>
  createInferencer({
    engine,
    classes: CLASSES,
    size: SIZE,
    padTo: 1,
    normalise: PLAIN,
    ...options,
  } as InferencerOptions);

/** An image of one value, by which its result can be told; `render` is awaited. */
function flat(value: number, render: () => Promise<void> = async () => {}): ImageSource {
  return {
    height: 8,
    width: 8,
    render: async ({ height, width }) => {
      await render();
      return new Uint8Array(height * width * 3).fill(value);
    },
  };
}

const scoreOf = ({ objects }: { objects: readonly { score: number }[] }) => Math.round(objects[0]!.score * 255);
const ALL = { threshold: 0 };

/** A promise that is settled from outside. */
function latch() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe("detect", () => {
  it("answers a hundred calls at once, each with its own", async () => {
    const engine = fakeEngine(() => sleep(0), { preferredBatch: 4 });
    const inferencer = around(engine);
    const signal = new AbortController().signal;
    const values = Array.from({ length: 100 }, (_, i) => i + 1);
    const found = await Promise.all(values.map((v) => inferencer.detect(flat(v), { ...ALL, signal })));
    expect(found.map(scoreOf)).toEqual(values);
    expect(engine.batches.flatMap(({ images }) => images).length).toBe(100);
    expect(Math.max(...found.map(({ batch }) => batch))).toBe(4);
    await inferencer.close();
  });

  it("answers a hundred calls at once with a real network as it does one by one", async () => {
    await prepareBackend({ backend: "wasm" });
    const detector = await movedDetector();
    const before = tf.memory().numTensors;
    const options = { classes: CLASSES, size: { shorter: 32, longer: 48 }, padTo: 16 };
    const inferencer = createInferencer({ ...options, detector, batch: { images: 5 } });
    const images = Array.from({ length: 100 }, (_, i) => noise(20 + (i % 3) * 10, 40, i % 7));
    const together = await Promise.all(images.map((image) => inferencer.detect(image, ALL)));
    expect(Math.max(...together.map(({ batch }) => batch))).toBe(5);
    for (let i = 0; i < 100; i += 9) {
      const { ms: _, batch: __, gates, objects, ...alone } = await inferencer.detect(images[i]!, ALL);
      expect(together[i]).toMatchObject(alone);
      expect(together[i]!.objects.length).toBe(objects.length);
      for (const [k, { box, score }] of objects.entries()) {
        expect(Math.abs(together[i]!.objects[k]!.score - score)).toBeLessThan(1e-4);
        box.forEach((v, at) => {
          expect(Math.abs(together[i]!.objects[k]!.box[at]! - v)).toBeLessThan(0.01);
        });
      }
      gates!.forEach((gate, k) => {
        expect(Math.abs(together[i]!.gates![k]! - gate)).toBeLessThan(1e-4);
      });
    }
    await inferencer.close();
    expect(tf.memory().numTensors).toBe(before);
    detector.dispose();
  });

  it("takes several images, none as well, and fails with the one that fails", async () => {
    const inferencer = around(fakeEngine());
    expect((await inferencer.detect([flat(3), flat(1), flat(2)], ALL)).map(scoreOf)).toEqual([3, 1, 2]);
    expect(await inferencer.detect([])).toEqual([]);
    const [result] = await inferencer.detect([flat(3)], ALL);
    expect(Object.keys(result!).sort()).toEqual([
      ...["batch", "gates", "input", "madds", "ms", "objects", "openPaths", "source"],
    ]);
    const broken = flat(9, async () => {
      throw new Error("gone");
    });
    await expect(inferencer.detect([flat(3), broken, flat(2)])).rejects.toThrow("gone");
    expect(scoreOf(await inferencer.detect(flat(7), ALL))).toBe(7);
    await inferencer.close();
  });

  it("prepares no more than the bound on memory allows", async () => {
    const bytes = 8 * 8 * 3 * 4;
    const hold = latch();
    const inferencer = around(
      fakeEngine(() => hold.opened),
      { batch: { bytes: 3 * bytes } },
    );
    let rendered = 0;
    const images = Array.from({ length: 10 }, (_, i) => flat(i, async () => void rendered++));
    const results = Promise.all(images.map((image) => inferencer.detect(image, ALL)));
    await sleep(20);
    expect(rendered).toBe(3);
    hold.open();
    expect((await results).map(scoreOf)).toEqual(images.map((_, i) => i));
    expect(rendered).toBe(10);
    await inferencer.close();
    const tight = around(fakeEngine(), { batch: { bytes: 1 } });
    expect((await tight.detect([flat(1), flat(2)], ALL)).map(scoreOf)).toEqual([1, 2]);
    await tight.close();
  });

  it.each([
    [{ images: 0 }, "batch.images is an integer from 1, got 0."],
    [{ images: 1.5 }, "batch.images is an integer from 1, got 1.5."],
    [{ bytes: 0 }, "batch.bytes is a number from 1, got 0."],
    [{ delayMs: -1 }, "batch.delayMs is a number of milliseconds from 0, got -1."],
    [{ delayMs: Number.POSITIVE_INFINITY }, "batch.delayMs is a number of milliseconds from 0"],
  ])("refuses the batching %j", (batch, message) => {
    expect(() => around(fakeEngine(), { batch })).toThrow(message);
    expect(() => around(fakeEngine(), { batch })).toThrow(ConfigError);
  });

  it("refuses preparations that cannot be, and class tables of another length, at once", () => {
    expect(() => around(fakeEngine(), { padTo: 0 })).toThrow(ConfigError);
    expect(() => around(fakeEngine(), { size: { shorter: 9, longer: 8 } })).toThrow(ConfigError);
    expect(() => around(fakeEngine(), { normalise: { ...PLAIN, std: [0, 1, 1] } })).toThrow(ConfigError);
    expect(() => around(fakeEngine(), { classes: CLASSES.slice(1) })).toThrow(
      "The detector has 3 classes, the class table 2.",
    );
  });
});

describe("an aborted call", () => {
  const reason = new Error("no more");

  it("does not begin when the signal came before", async () => {
    const engine = fakeEngine();
    const inferencer = around(engine);
    const render = flat(1, () => Promise.reject(new Error("rendered")));
    await expect(inferencer.detect(render, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(inferencer.detect([render], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await inferencer.close();
    expect(engine.batches).toEqual([]);
  });

  it("ends at once while its image is read, waits for memory, waits for the engine, or runs", async () => {
    const [reading, running] = [latch(), latch()];
    const bytes = 8 * 8 * 3 * 4;
    const engine = fakeEngine(() => running.opened);
    const inferencer = around(engine, { batch: { bytes: 3 * bytes } });
    const abort = new AbortController();
    const call = (image: ImageSource) => inferencer.detect(image, { ...ALL, signal: abort.signal });
    const kept = inferencer.detect(flat(5), ALL);
    const stopped = [call(flat(6)), call(flat(7, () => reading.opened)), call(flat(8)), call(flat(9))];
    await sleep(10);
    expect(engine.batches.length).toBe(1); // 5 runs, 6 waits for the engine, 7 is read, 8 and 9 wait for memory
    abort.abort(reason);
    for (const one of stopped) await expect(one).rejects.toBe(reason);
    let isClosed = false;
    const closed = inferencer.close().then(() => {
      isClosed = true;
    });
    await sleep(10);
    expect(isClosed).toBe(false); // what runs and what is read is waited for
    expect(engine.disposed()).toBe(false);
    running.open();
    reading.open();
    expect(scoreOf(await kept)).toBe(5);
    await closed;
    expect(engine.batches.map(({ images }) => Math.round(images[0]! * 255))).toEqual([5]);
    expect(engine.disposed()).toBe(true);
  });

  it("in flight leaves no tensor, and the inferencer as it was", async () => {
    await prepareBackend({ backend: "wasm" });
    const detector = await movedDetector();
    const before = tf.memory().numTensors;
    const inferencer = createInferencer({ detector, classes: CLASSES, size: { shorter: 64, longer: 96 } });
    const wanted = (await inferencer.detect(noise(64, 96, 1), ALL)).objects;
    for (let i = 0; i < 10; i++) {
      const abort = new AbortController();
      const calls = [1, 2, 3].map((seed) => inferencer.detect(noise(64, 96, seed), { signal: abort.signal }));
      setTimeout(() => abort.abort(reason), i);
      for (const { status } of await Promise.allSettled(calls)) expect(["fulfilled", "rejected"]).toContain(status);
    }
    expect((await inferencer.detect(noise(64, 96, 1), ALL)).objects).toEqual(wanted);
    await inferencer.close();
    expect(tf.memory().numTensors).toBe(before);
    detector.dispose();
  });
});

describe("close", () => {
  it("waits for calls under way, refuses later ones, and closes once", async () => {
    const hold = latch();
    const engine = fakeEngine(() => hold.opened);
    const inferencer = around(engine);
    const calls = Promise.all([1, 2, 3].map((v) => inferencer.detect(flat(v), ALL)));
    const closed = inferencer.close();
    expect(inferencer.close()).toBe(closed);
    for (const refused of [
      inferencer.detect(flat(1)),
      inferencer.detect([flat(1)]),
      inferencer.warmup({ height: 8, width: 8 }),
    ]) {
      await expect(refused).rejects.toMatchObject({ code: "closed" });
      await expect(refused).rejects.toThrow(CaddetError);
    }
    expect(engine.disposed()).toBe(false);
    hold.open();
    expect((await calls).map(scoreOf)).toEqual([1, 2, 3]);
    await closed;
    expect(engine.disposed()).toBe(true);
    await inferencer[Symbol.asyncDispose]();
  });
});

describe("detectEach", () => {
  const take = async <T>(results: AsyncIterable<T>) => {
    const all: T[] = [];
    for await (const result of results) all.push(result);
    return all;
  };
  async function* counted(count: number, log: { given: number; stopped: boolean }, wait = 0) {
    try {
      for (let i = 1; i <= count; i++) {
        if (wait > 0) await sleep(wait);
        log.given = i;
        // Later ones are read faster, and come back in order nevertheless.
        yield flat(i, () => sleep(count - i));
      }
    } finally {
      log.stopped = true;
    }
  }

  it("gives results in order, with their image, from any iterable", async () => {
    const inferencer = around(fakeEngine(undefined, { preferredBatch: 3 }));
    const log = { given: 0, stopped: false };
    const found = await take(inferencer.detectEach(counted(12, log), ALL));
    expect(found.map(scoreOf)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(found.map(({ index }) => index)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    const images = [flat(4), flat(2)];
    const listed = await take(inferencer.detectEach(images, ALL));
    expect(listed.map(({ image }) => image)).toEqual(images);
    expect(await take(inferencer.detectEach([]))).toEqual([]);
    await inferencer.close();
  });

  it("overlaps reading with the network", async () => {
    const events: string[] = [];
    const hold = latch();
    const engine = fakeEngine(async () => {
      events.push("run");
      await hold.opened;
    });
    const inferencer = around(engine);
    const images = [1, 2, 3].map((v) => flat(v, async () => void events.push("read")));
    const results = take(inferencer.detectEach(images, ALL));
    await sleep(20);
    expect(events).toEqual(expect.arrayContaining(["run", "read", "read", "read"]));
    expect(events.length).toBe(4); // all is read while the first runs
    hold.open();
    expect((await results).length).toBe(3);
    await inferencer.close();
  });

  it("is no more ahead than it may, and leaving it stops the source", async () => {
    const inferencer = around(fakeEngine());
    const log = { given: 0, stopped: false };
    for await (const { index } of inferencer.detectEach(counted(100, log), { ...ALL, ahead: 3 })) {
      await sleep(5);
      expect(log.given).toBeLessThanOrEqual(index + 1 + 3);
      if (index === 4) break;
    }
    expect(log.stopped).toBe(true);
    expect(log.given).toBeLessThanOrEqual(8);
    await inferencer.close();
  });

  it("gives what is done while the source takes its time", async () => {
    const inferencer = around(fakeEngine());
    const hold = latch();
    async function* slow() {
      yield flat(1);
      await hold.opened;
      yield flat(2);
    }
    const results = inferencer.detectEach(slow(), ALL)[Symbol.asyncIterator]();
    expect(scoreOf((await results.next()).value)).toBe(1);
    hold.open();
    expect(scoreOf((await results.next()).value)).toBe(2);
    expect((await results.next()).done).toBe(true);
    await inferencer.close();
  });

  it("ends with an image that fails, or leaves it out and says so in its turn", async () => {
    const inferencer = around(fakeEngine());
    const broken = flat(9, async () => {
      throw new Error("gone");
    });
    const log = { given: 0, stopped: false };
    async function* source() {
      yield* counted(2, log);
      yield broken;
      yield flat(3);
    }
    const seen: number[] = [];
    const ending = (async () => {
      for await (const result of inferencer.detectEach(source(), ALL)) seen.push(scoreOf(result));
    })();
    await expect(ending).rejects.toThrow("gone");
    expect(seen).toEqual([1, 2]);
    const failed: unknown[] = [];
    const onError = (error: unknown, index: number, image: unknown) =>
      failed.push([(error as Error).message, index, image === broken]);
    const found = await take(inferencer.detectEach(source(), { ...ALL, onError }));
    expect(found.map(({ index }) => index)).toEqual([0, 1, 3]);
    expect(found.map(scoreOf)).toEqual([1, 2, 3]);
    expect(failed).toEqual([["gone", 2, true]]);
    await inferencer.close();
  });

  it("ends with the source's own failure, after the results before it", async () => {
    const inferencer = around(fakeEngine());
    async function* failing() {
      yield flat(1);
      throw new Error("the camera is off");
    }
    const seen: number[] = [];
    const ending = (async () => {
      const options = { ...ALL, onError: () => {} };
      for await (const result of inferencer.detectEach(failing(), options)) seen.push(scoreOf(result));
    })();
    await expect(ending).rejects.toThrow("the camera is off");
    expect(seen).toEqual([1]);
    await inferencer.close();
  });

  it("ends at once with the signal's reason, also while the source or the engine takes its time", async () => {
    const hold = latch();
    const engine: FakeEngine = fakeEngine(() => hold.opened);
    const inferencer = around(engine);
    const log = { given: 0, stopped: false };
    for (const source of [counted(5, log), counted(5, log, 100_000)]) {
      const abort = new AbortController();
      const taken = take(inferencer.detectEach(source, { signal: abort.signal }));
      setTimeout(() => abort.abort(new Error("no more")), 10);
      await expect(taken).rejects.toThrow("no more");
    }
    await expect(take(inferencer.detectEach([flat(1)], { signal: AbortSignal.abort("late") }))).rejects.toBe("late");
    hold.open();
    await inferencer.close();
    expect(engine.disposed()).toBe(true);
  });

  it("refuses a look-ahead below one, options out of range, and a closed inferencer", async () => {
    const inferencer = around(fakeEngine());
    await expect(take(inferencer.detectEach([flat(1)], { ahead: 0 }))).rejects.toThrow(
      "ahead is an integer from 1, got 0.",
    );
    await expect(take(inferencer.detectEach([flat(1)], { threshold: 2 }))).rejects.toThrow(ConfigError);
    await inferencer.close();
    await expect(take(inferencer.detectEach([flat(1)]))).rejects.toMatchObject({ code: "closed" });
  });
});
