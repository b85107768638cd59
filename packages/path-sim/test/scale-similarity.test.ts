import { ConfigError, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backends, onBackend } from "#test/backends";
import { scaleSimilarity, targetSimilarity } from "../src";
import { cases } from "./goldens";

// The similarities as numbers, with a check that the call left its result alone.
const similarities = async (encodings: readonly ArrayLike<number>[]) => {
  const before = tf.memory().numTensors;
  const similarity = scaleSimilarity(encodings);
  expect(tf.memory().numTensors - before).toBe(1);
  expect(similarity.shape).toEqual([encodings.length, encodings.length]);
  const data = Array.from(await similarity.data());
  similarity.dispose();
  return data;
};
const targets = async (values: readonly number[], range?: { min: number; max: number }) => {
  const before = tf.memory().numTensors;
  const similarity = tf.tensor1d([...values]);
  const target = targetSimilarity(similarity, range);
  expect(tf.memory().numTensors - before).toBe(2);
  const data = Array.from(await target.data());
  tf.dispose([similarity, target]);
  return data;
};

describe.each(backends)("scaleSimilarity on %s", (backend) => {
  it("is symmetric, 1 on the diagonal, and 1 minus the Hamming distance per interval", () =>
    onBackend(backend, async () => {
      const encodings = fc
        .integer({ min: 1, max: 40 })
        .chain((m) => fc.array(fc.array(fc.nat(1), { minLength: m, maxLength: m }), { minLength: 1, maxLength: 5 }));
      await fc.assert(
        fc.asyncProperty(encodings, async (s) => {
          const [b, m] = [s.length, s[0]!.length];
          const got = await similarities(s);
          for (let i = 0; i < b; i++) {
            for (let j = 0; j < b; j++) {
              const distance = s[i]!.reduce((sum, v, k) => sum + Math.abs(v - s[j]![k]!), 0);
              expect(got[i * b + j]).toBe(Math.fround((m - distance) / m));
              expect(got[i * b + j]).toBe(got[j * b + i]);
            }
            expect(got[i * b + i]).toBe(1);
          }
        }),
      );
    }));

  it.each(cases)("equals the reference: $name", ({ scaleEncoding, scaleSimilarity: want }) =>
    onBackend(backend, async () => {
      expect(await similarities(scaleEncoding)).toEqual(want);
    }),
  );

  it("counts intervals that both lack, so two empty images are alike", () =>
    onBackend(backend, async () => {
      expect(await similarities([Uint8Array.of(0, 0), [0, 0]])).toEqual([1, 1, 1, 1]);
    }));

  it("takes any number but 0 for an object", () =>
    onBackend(backend, async () => {
      expect(
        await similarities([
          [5, 0],
          [1, -2],
        ]),
      ).toEqual([1, 0.5, 0.5, 1]);
    }));

  it("refuses encodings that are empty or differ in length", () =>
    onBackend(backend, async () => {
      expect(() => scaleSimilarity([])).toThrow(ShapeError);
      expect(() => scaleSimilarity([[], []])).toThrow(ShapeError);
      expect(() => scaleSimilarity([[1, 0], [1]])).toThrow("got 2 and 1 for 2 images");
    }));
});

describe.each(backends)("targetSimilarity on %s", (backend) => {
  it.each(cases)("equals the reference: $name", ({ scaleSimilarity: similarity, min, max, targetSimilarity: want }) =>
    onBackend(backend, async () => {
      const got = await targets(similarity, { min, max });
      expect(got.length).toBe(want.length);
      for (const [i, v] of want.entries()) expect(got[i]).toBeCloseTo(v, 6);
    }),
  );

  it("spans 0.6 to 0.95 by default", () =>
    onBackend(backend, async () => {
      const [low, high] = await targets([0, 1]);
      expect(low).toBe(Math.fround(0.6));
      expect(high).toBeCloseTo(0.95, 6);
    }));

  it("takes a range of one value", () =>
    onBackend(backend, async () => {
      expect(await targets([0, 0.5, 1], { min: 1, max: 1 })).toEqual([1, 1, 1]);
    }));

  it.each([
    [0, 0.5],
    [0.6, 0.5],
    [0.6, 1.1],
    [Number.NaN, 1],
  ])("refuses the range %d to %d", (min, max) =>
    onBackend(backend, async () => {
      const similarity = tf.scalar(0);
      expect(() => targetSimilarity(similarity, { min, max })).toThrow(ConfigError);
      expect(() => targetSimilarity(similarity, { min, max })).toThrow(`got min ${min} and max ${max}`);
      similarity.dispose();
    }),
  );
});
