import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Attrs,
  expectClose,
  type Input,
  KERNEL_BACKENDS,
  onWasm,
  runKernel,
  seeded,
  sizeOf,
  uniform,
  useBackend,
  useWasm,
} from "./harness";

beforeAll(useWasm);

/** How much each output position of a line takes from each input cell, [to][from]. */
function weights(from: number, to: number, alignCorners: boolean, halfPixels: boolean): number[][] {
  const scale = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
  return Array.from({ length: to }, (_, i) => {
    const at = Math.min(from - 1, Math.max(0, halfPixels ? (i + 0.5) * scale - 0.5 : i * scale));
    const row = new Array<number>(from).fill(0);
    row[Math.floor(at)]! += 1 - (at - Math.floor(at));
    row[Math.min(from - 1, Math.floor(at) + 1)]! += at - Math.floor(at);
    return row;
  });
}

function poolWeights(size: number, bins: number): number[][] {
  return Array.from({ length: bins }, (_, i) => {
    const [first, end] = [Math.floor((i * size) / bins), Math.ceil(((i + 1) * size) / bins)];
    return Array.from({ length: size }, (_, cell) => (cell >= first && cell < end ? 1 / (end - first) : 0));
  });
}

/** rows ⊗ columns applied to x [b, h, w, c]; `transposed` goes the other way. */
function apply(x: Input, rows: number[][], columns: number[][], transposed: boolean) {
  const [b, , , c] = x.shape as [number, number, number, number];
  const [large, small] = [
    [rows.length, columns.length],
    [rows[0]!.length, columns[0]!.length],
  ] as [[number, number], [number, number]];
  const [h, w] = transposed ? small : large;
  const values = new Float64Array(b * h * w * c);
  for (let image = 0; image < b; image++) {
    for (let r = 0; r < large[0]; r++) {
      for (let s = 0; s < small[0]; s++) {
        for (let q = 0; q < large[1]; q++) {
          for (let t = 0; t < small[1]; t++) {
            const weight = rows[r]![s]! * columns[q]![t]!;
            const top = ((image * large[0] + r) * large[1] + q) * c;
            const bottom = ((image * small[0] + s) * small[1] + t) * c;
            const [to, from] = transposed ? [bottom, top] : [top, bottom];
            for (let k = 0; k < c; k++) values[to + k]! += weight * x.values[from + k]!;
          }
        }
      }
    }
  }
  return { values, shape: [b, h, w, c] };
}

const sizes = [
  { x: [1, 4, 5, 4], to: [8, 10] },
  { x: [2, 7, 3, 5], to: [13, 6] },
  { x: [3, 6, 9, 1], to: [4, 5] },
  { x: [1, 1, 2, 7], to: [3, 1] },
];

describe.each(sizes)("a resize of $x to $to", ({ x: shape, to }) => {
  const [b, h, w, c] = shape as [number, number, number, number];
  const [height, width] = to as [number, number];
  const random = seeded(sizeOf(shape));
  const x = uniform(random, shape);
  const dy = uniform(random, [b, height, width, c]);

  it.each([
    { alignCorners: false, halfPixelCenters: false },
    { alignCorners: true, halfPixelCenters: false },
    { alignCorners: false, halfPixelCenters: true },
  ])("and its gradient agree with the matrices: %o", (attrs) => {
    const rows = weights(h, height, attrs.alignCorners, attrs.halfPixelCenters);
    const columns = weights(w, width, attrs.alignCorners, attrs.halfPixelCenters);
    const [y] = onWasm(tf.ResizeBilinear, { images: x }, { ...attrs, size: to });
    expectClose(y!, apply(x, rows, columns, false), 1e-5);
    const [dx] = onWasm(tf.ResizeBilinearGrad, { images: x, dy }, attrs);
    expectClose(dx!, apply(dy, rows, columns, true), 1e-5);
  });
});

for (const backend of KERNEL_BACKENDS) {
  describe.skipIf(!backend.present)(`on ${backend.name}`, () => {
    beforeAll(() => useBackend(backend));
    const on = (kernel: string, inputs: Record<string, Input>, attrs: Attrs) =>
      runKernel(backend.tfBackend, kernel, inputs, attrs);

    it.each(sizes)("CaddetResizeBilinearGrad of $x to $to has half-pixel centres", ({ x: shape, to }) => {
      const [b, h, w, c] = shape as [number, number, number, number];
      const [height, width] = to as [number, number];
      const dy = uniform(seeded(sizeOf(shape)), [b, height, width, c]);
      const [rows, columns] = [weights(h, height, false, true), weights(w, width, false, true)];
      const [dx] = on("CaddetResizeBilinearGrad", { dy }, { height: h, width: w });
      expectClose(dx!, apply(dy, rows, columns, true), 1e-5);
    });

    describe("CaddetAdaptivePool", () => {
      it.each([
        { shape: [2, 4, 6, 8], bins: 2 },
        { shape: [1, 5, 7, 3], bins: 2 },
        { shape: [3, 1, 2, 5], bins: 2 },
        { shape: [1, 7, 8, 13], bins: 3 },
      ])("and its gradient agree with the bins of $shape into $bins", ({ shape, bins }) => {
        const [b, h, w, c] = shape as [number, number, number, number];
        const random = seeded(sizeOf(shape));
        const x = uniform(random, shape);
        const [rows, columns] = [poolWeights(h, bins), poolWeights(w, bins)];
        const pooled = apply(x, rows, columns, false);
        expectClose(on("CaddetAdaptivePool", { x }, { bins })[0]!, { ...pooled, shape: [b, bins * bins, c] }, 1e-5);
        const dy = uniform(random, [b, bins, bins, c]);
        const dx = apply(dy, rows, columns, true);
        const flat = { values: dy.values, shape: [b, bins * bins, c] };
        const [got] = on("CaddetAdaptivePoolGrad", { dy: flat }, { bins, height: h, width: w });
        expectClose(got!, dx, 1e-5);
        expect(() => on("CaddetAdaptivePoolGrad", { dy }, { bins, height: h, width: w })).toThrow(/'dy' of shape/);
      });
    });
  });
}
