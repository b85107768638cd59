import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CaddetError, createRandom, type Random, restoreRandom } from "../src";

const draw = (random: Random, n = 20) => Array.from({ length: n }, () => random.next());

describe("createRandom", () => {
  it("gives equal sequences for equal seeds, and others for other seeds and streams", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 1000 }), (seed, stream) => {
        const sequence = draw(createRandom(seed, stream));
        expect(draw(createRandom(seed, stream))).toEqual(sequence);
        expect(draw(createRandom(seed + 1, stream))).not.toEqual(sequence);
        expect(draw(createRandom(seed, stream + 1))).not.toEqual(sequence);
      }),
    );
  });

  it("is xoshiro128**", () => {
    // The first outputs of the authors' xoshiro128starstar.c (version 1.1) for this state.
    const want = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804];
    const random = restoreRandom([1, 2, 3, 4]);
    expect(want.map(() => random.next() * 2 ** 32)).toEqual(want);
  });

  it("spreads evenly over [0, 1)", () => {
    const random = createRandom(11);
    const n = 20_000;
    const counts = new Array<number>(10).fill(0);
    let [low, high] = [1, 0];
    for (let i = 0; i < n; i++) {
      const x = random.next();
      low = Math.min(low, x);
      high = Math.max(high, x);
      counts[Math.floor(x * 10)]!++;
    }
    expect(low).toBeGreaterThanOrEqual(0);
    expect(high).toBeLessThan(1);
    // Chi-square with 9 degrees of freedom stays below 27.9 with probability 0.999.
    const expected = n / 10;
    expect(counts.reduce((sum, c) => sum + (c - expected) ** 2 / expected, 0)).toBeLessThan(27.9);
  });

  it("gives every integer below n and no other", () => {
    const random = createRandom(3);
    const seen = new Set(Array.from({ length: 500 }, () => random.int(7)));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it("gives normal numbers of mean 0 and deviation 1", () => {
    const random = createRandom(5);
    const samples = Array.from({ length: 20_000 }, () => random.normal());
    const mean = samples.reduce((a, b) => a + b) / samples.length;
    const variance = samples.reduce((a, b) => a + (b - mean) ** 2, 0) / samples.length;
    const within = samples.filter((x) => Math.abs(x) < 1).length / samples.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
    expect(Math.abs(within - 0.6827)).toBeLessThan(0.02);
  });

  it("shuffles without loss, evenly, and leaves its input alone", () => {
    const random = createRandom(9);
    const items = [0, 1, 2, 3];
    const firsts = new Array<number>(4).fill(0);
    for (let i = 0; i < 4000; i++) {
      const shuffled = random.shuffle(items);
      expect([...shuffled].sort()).toEqual(items);
      firsts[shuffled[0]!]!++;
    }
    expect(items).toEqual([0, 1, 2, 3]);
    for (const count of firsts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it("refuses a seed that is not finite", () => {
    expect(() => createRandom(Number.NaN)).toThrow(CaddetError);
    expect(() => createRandom(1, Number.POSITIVE_INFINITY)).toThrow("finite number, got 1 (stream Infinity)");
  });
});

describe("restoreRandom", () => {
  it("goes back in place, for everyone who holds it", () => {
    const random = createRandom(8);
    draw(random, 5);
    const state = random.state();
    const { next } = random;
    const want = draw(random);
    random.restore(JSON.parse(JSON.stringify(state)));
    expect(want.map(() => next())).toEqual(want);
  });

  it("goes on where the saved generator was, through JSON", () => {
    const random = createRandom(42);
    draw(random, 7);
    const saved = JSON.parse(JSON.stringify(random.state()));
    const rest = draw(random);
    expect(draw(restoreRandom(saved))).toEqual(rest);
  });

  it("saves four unsigned words", () => {
    const random = createRandom(-1);
    draw(random, 5);
    for (const word of random.state()) {
      expect(Number.isInteger(word) && word >= 0 && word < 2 ** 32).toBe(true);
    }
  });
});
