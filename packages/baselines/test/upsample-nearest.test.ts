import { ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { backends, onBackend } from "#test/backends";
import { upsampleNearest } from "../src/upsample-nearest";

const SIZES: [number, number][] = [
  [1, 1],
  [1, 2],
  [2, 3],
  [5, 4],
  [7, 9],
  [8, 8],
];

const numbered = (h: number, w: number) =>
  tf.tensor4d(
    Array.from({ length: 2 * h * w * 3 }, (_, i) => i),
    [2, h, w, 3],
  );

describe.each(backends)("upsampleNearest on %s", (backend) => {
  it.each(SIZES)("to %i x %i takes the cell at half the place", (height, width) =>
    onBackend(backend, async () => {
      const x = numbered(Math.ceil(height / 2), Math.ceil(width / 2));
      const y = upsampleNearest(x, [height, width]);
      const [from, got] = [await x.array(), await y.array()];
      expect(y.shape).toEqual([2, height, width, 3]);
      for (const [b, image] of got.entries()) {
        for (const [i, row] of image.entries()) {
          for (const [j, cell] of row.entries()) expect(cell).toEqual(from[b]![i >> 1]![j >> 1]);
        }
      }
      tf.dispose([x, y]);
    }),
  );

  it.each(SIZES)("from %i x %i gathers the gradients of all copies", (height, width) =>
    onBackend(backend, async () => {
      const x = numbered(Math.ceil(height / 2), Math.ceil(width / 2));
      const dy = numbered(height, width);
      const dx = tf.grad((at: tf.Tensor) => tf.sum(tf.mul(upsampleNearest(at as tf.Tensor4D, [height, width]), dy)))(x);
      const [from, got] = [await dy.array(), (await dx.array()) as number[][][][]];
      const copiesOf = (b: number, i: number, j: number, c: number) => {
        const places = [0, 1].flatMap((di) => [0, 1].map((dj) => from[b]![2 * i + di]?.[2 * j + dj]?.[c] ?? 0));
        return places.reduce((a, v) => a + v, 0);
      };
      for (const [b, image] of got.entries()) {
        for (const [i, row] of image.entries()) {
          for (const [j, cell] of row.entries()) {
            expect(cell).toEqual(cell.map((_, c) => copiesOf(b, i, j, c)));
          }
        }
      }
      tf.dispose([x, dy, dx]);
    }),
  );

  it("refuses sizes that are not the double, or one less", () =>
    onBackend(backend, async () => {
      const x = numbered(3, 4);
      for (const size of [
        [4, 8],
        [7, 8],
        [6, 6],
        [6, 9],
      ] as const) {
        expect(() => upsampleNearest(x, size)).toThrow(ShapeError);
        expect(() => upsampleNearest(x, size)).toThrow(`3 x 4 cells cannot be doubled to ${size[0]} x ${size[1]}`);
      }
      x.dispose();
    }));
});
