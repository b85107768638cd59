import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type EpochPlanOptions, imageRandom, isWide, planEpoch } from "../src/loader/epoch-plan";

function imageTable(shapes: readonly (readonly [number, number])[]) {
  return {
    ids: Float64Array.from(shapes, (_, n) => n + 1),
    widths: Int32Array.from(shapes, ([w]) => w),
    heights: Int32Array.from(shapes, ([, h]) => h),
    fileNames: shapes.map((_, n) => `${n}.jpg`),
  };
}

const shapes = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })), {
  minLength: 1,
  maxLength: 60,
});
const options = fc.record({
  batchSize: fc.integer({ min: 1, max: 8 }),
  seed: fc.integer(),
  shuffle: fc.boolean(),
  groupByAspect: fc.boolean(),
  dropLast: fc.boolean(),
  worldSize: fc.integer({ min: 1, max: 4 }),
  flip: fc.constantFrom(0, 0.5, 1),
});
const epochs = fc.nat(100);

const rowsOf = (batches: readonly Int32Array[]) => batches.flatMap((b) => [...b]);
const base: EpochPlanOptions = {
  batchSize: 4,
  seed: 1,
  shuffle: true,
  groupByAspect: false,
  dropLast: false,
  rank: 0,
  worldSize: 1,
  flip: 0.5,
};

describe("planEpoch", () => {
  it("is a function of its arguments", () => {
    fc.assert(
      fc.property(shapes, options, epochs, (s, o, epoch) => {
        expect(planEpoch(imageTable(s), { ...o, rank: 0 }, epoch)).toEqual(
          planEpoch(imageTable(s), { ...o, rank: 0 }, epoch),
        );
      }),
    );
  });

  it("has as many batches in every epoch", () => {
    fc.assert(
      fc.property(shapes, options, epochs, (s, o, epoch) => {
        const count = (e: number) => planEpoch(imageTable(s), { ...o, rank: 0 }, e).batches.length;
        expect(count(epoch)).toBe(count(0));
      }),
    );
  });

  it("covers each image over all ranks; what is dropped or repeated is less than a batch a shape and a step a rank", () => {
    fc.assert(
      fc.property(shapes, options, epochs, (s, o, epoch) => {
        const images = imageTable(s);
        const ranks = Array.from(
          { length: o.worldSize },
          (_, rank) => planEpoch(images, { ...o, rank }, epoch).batches,
        );
        const seen = rowsOf(ranks.flat());
        const unique = new Set(seen);
        if (!o.dropLast) expect(unique.size).toBe(s.length);
        if (o.dropLast || !o.shuffle) expect(seen.length).toBe(unique.size);
        if (o.shuffle) expect(new Set(ranks.map((b) => b.length)).size).toBe(1);
        for (const batch of ranks.flat()) {
          expect(batch.length).toBeLessThanOrEqual(o.batchSize);
          if (o.dropLast) expect(batch.length).toBe(o.batchSize);
          if (o.groupByAspect) expect(new Set([...batch].map((row) => isWide(images, row))).size).toBe(1);
        }
      }),
    );
  });

  it("keeps the file's order without shuffling", () => {
    const plan = planEpoch(imageTable(Array.from({ length: 10 }, () => [2, 1])), { ...base, shuffle: false }, 3);
    expect(rowsOf(plan.batches)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("changes with the epoch and with the seed", () => {
    const images = imageTable(Array.from({ length: 100 }, () => [2, 1]));
    const order = (seed: number, epoch: number) => [...planEpoch(images, { ...base, seed }, epoch).order];
    expect(order(1, 0)).not.toEqual(order(1, 1));
    expect(order(1, 0)).not.toEqual(order(2, 0));
    expect([...order(1, 0)].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, n) => n));
  });

  it("mirrors about as many as asked", () => {
    const images = imageTable(Array.from({ length: 2000 }, () => [2, 1]));
    const share = (flip: number) => planEpoch(images, { ...base, flip }, 0).flipped.reduce((a, b) => a + b, 0) / 2000;
    expect(share(0)).toBe(0);
    expect(share(1)).toBe(1);
    expect(Math.abs(share(0.5) - 0.5)).toBeLessThan(0.05);
  });
});

describe("imageRandom", () => {
  it("is one of its own for each seed, epoch and image", () => {
    const firsts = new Set<string>();
    const ids = [...Array.from({ length: 2000 }, (_, n) => n), 2 ** 32, 2 ** 32 + 1, 2 ** 40, Number.MAX_SAFE_INTEGER];
    for (const seed of [0, 1]) {
      for (let epoch = 0; epoch < 10; epoch++) {
        for (const id of ids) firsts.add(imageRandom(seed, epoch, id).state().join());
      }
    }
    expect(firsts.size).toBe(2 * 10 * ids.length);
    expect(imageRandom(3, 4, 5).state()).toEqual(imageRandom(3, 4, 5).state());
  });
});
