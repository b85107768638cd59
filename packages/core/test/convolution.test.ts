import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { adaptiveAveragePool, conv2d, depthwiseConv2d, resizeBilinear } from "../src";
import { backends, onBackend, trainable } from "./backends";
import { expectNumericGradients, expectOnlyResults, mixed } from "./check-gradients";

type Map4 = { data: Float32Array; shape: [number, number, number, number] };

const read = async (t: tf.Tensor): Promise<Map4> => ({
  data: await t.data<"float32">(),
  shape: t.shape as Map4["shape"],
});

async function expectMap(
  got: tf.Tensor,
  shape: number[],
  value: (b: number, y: number, x: number, c: number) => number,
): Promise<void> {
  expect(got.shape).toEqual(shape);
  const { data } = await read(got);
  const [, h, w, c] = shape as Map4["shape"];
  for (let i = 0; i < data.length; i++) {
    const [channel, x, y, b] = [i % c, Math.floor(i / c) % w, Math.floor(i / (c * w)) % h, Math.floor(i / (c * w * h))];
    expect(Math.abs(data[i]! - value(b, y, x, channel)), `[${b}, ${y}, ${x}, ${channel}]`).toBeLessThan(1e-5);
  }
}

// The value at a place of a map, 0 outside.
const at = ({ data, shape: [, h, w, c] }: Map4, b: number, y: number, x: number, channel: number) =>
  y < 0 || x < 0 || y >= h || x >= w ? 0 : data[((b * h + y) * w + x) * c + channel]!;

const cases = [
  { size: [4, 4], kernel: 3, stride: 1 },
  { size: [4, 5], kernel: 3, stride: 2 },
  { size: [5, 4], kernel: 3, stride: 2 },
  { size: [5, 3], kernel: 5, stride: 2 },
  { size: [3, 4], kernel: 1, stride: 1 },
  { size: [4, 5], kernel: 1, stride: 2 },
  { size: [1, 1], kernel: 3, stride: 2 },
] as const;

describe.each(backends)("convolutions on %s", (backend) => {
  it.each(cases)("conv2d pads by half the kernel on every side: $size, kernel $kernel, stride $stride", (c) =>
    onBackend(backend, async () => {
      const [h, w] = c.size;
      const [x, filter] = [mixed([2, h, w, 3]), mixed([c.kernel, c.kernel, 3, 2], 1)] as [tf.Tensor4D, tf.Tensor4D];
      const [m, f, p] = [await read(x), (await read(filter)).data, (c.kernel - 1) / 2];
      const y = conv2d(x, filter, c.stride);
      await expectMap(y, [2, Math.ceil(h / c.stride), Math.ceil(w / c.stride), 2], (b, i, j, o) => {
        let sum = 0;
        for (let u = 0; u < c.kernel; u++)
          for (let v = 0; v < c.kernel; v++)
            for (let k = 0; k < 3; k++)
              sum += at(m, b, i * c.stride + u - p, j * c.stride + v - p, k) * f[((u * c.kernel + v) * 3 + k) * 2 + o]!;
        return sum;
      });
      expectOnlyResults(() => conv2d(x, filter, c.stride));
      tf.dispose([x, filter, y]);
    }),
  );

  it.each(cases)("depthwiseConv2d pads alike: $size, kernel $kernel, stride $stride", (c) =>
    onBackend(backend, async () => {
      const [h, w] = c.size;
      const [x, filter] = [mixed([2, h, w, 3]), mixed([c.kernel, c.kernel, 3, 1], 1)] as [tf.Tensor4D, tf.Tensor4D];
      const [m, f, p] = [await read(x), (await read(filter)).data, (c.kernel - 1) / 2];
      const y = depthwiseConv2d(x, filter, c.stride);
      await expectMap(y, [2, Math.ceil(h / c.stride), Math.ceil(w / c.stride), 3], (b, i, j, k) => {
        let sum = 0;
        for (let u = 0; u < c.kernel; u++)
          for (let v = 0; v < c.kernel; v++)
            sum += at(m, b, i * c.stride + u - p, j * c.stride + v - p, k) * f[(u * c.kernel + v) * 3 + k]!;
        return sum;
      });
      expectOnlyResults(() => depthwiseConv2d(x, filter, c.stride));
      tf.dispose([x, filter, y]);
    }),
  );

  it.each([
    { from: [2, 3], to: [4, 6] },
    { from: [3, 2], to: [5, 3] },
    { from: [4, 5], to: [2, 2] },
    { from: [1, 3], to: [2, 3] },
    { from: [3, 3], to: [1, 7] },
  ] as const)(
    "resizeBilinear interpolates at half-pixel centres, and so does its gradient: $from to $to",
    ({ from, to }) =>
      onBackend(backend, async () => {
        const x = mixed([2, from[0], from[1], 2]) as tf.Tensor4D;
        const m = await read(x);
        const near = (i: number, axis: 0 | 1) => {
          const place = Math.max(0, ((i + 0.5) * from[axis]) / to[axis] - 0.5);
          const low = Math.min(Math.floor(place), from[axis] - 1);
          return [low, Math.min(low + 1, from[axis] - 1), place - low] as const;
        };
        const y = resizeBilinear(x, to);
        await expectMap(y, [2, to[0], to[1], 2], (b, i, j, c) => {
          const [y0, y1, v] = near(i, 0);
          const [x0, x1, u] = near(j, 1);
          const row = (r: number) => at(m, b, r, x0, c) * (1 - u) + at(m, b, r, x1, c) * u;
          return row(y0) * (1 - v) + row(y1) * v;
        });
        await expectNumericGradients((v) => resizeBilinear(v as tf.Tensor4D, to), [x]);
        expectOnlyResults(() => resizeBilinear(x, to));
        tf.dispose([x, y]);
      }),
  );

  it.each([
    { size: [4, 6], n: 2 },
    { size: [5, 3], n: 2 },
    { size: [1, 1], n: 2 },
    { size: [7, 5], n: 3 },
    { size: [3, 4], n: 1 },
  ] as const)("adaptiveAveragePool averages bins of nearly equal size: $size to $n", ({ size: [h, w], n }) =>
    onBackend(backend, async () => {
      const x = mixed([2, h, w, 3]) as tf.Tensor4D;
      const m = await read(x);
      const y = adaptiveAveragePool(x, n);
      expect(y.shape).toEqual([2, n * n, 3]);
      const bins = tf.reshape(y, [2, n, n, 3]);
      await expectMap(bins, [2, n, n, 3], (b, i, j, c) => {
        const [y0, y1] = [Math.floor((i * h) / n), Math.ceil(((i + 1) * h) / n)];
        const [x0, x1] = [Math.floor((j * w) / n), Math.ceil(((j + 1) * w) / n)];
        let sum = 0;
        for (let r = y0; r < y1; r++) for (let q = x0; q < x1; q++) sum += at(m, b, r, q, c);
        return sum / ((y1 - y0) * (x1 - x0));
      });
      await expectNumericGradients((v) => adaptiveAveragePool(v as tf.Tensor4D, n), [x]);
      expectOnlyResults(() => adaptiveAveragePool(x, n));
      tf.dispose([x, y, bins]);
    }),
  );
});

describe.each(trainable)("convolutions' gradients on %s", (backend) => {
  it.each(cases)("equal finite differences: $size, kernel $kernel, stride $stride", (c) =>
    onBackend(backend, async () => {
      const x = mixed([2, c.size[0], c.size[1], 2]);
      const [full, depthwise] = [mixed([c.kernel, c.kernel, 2, 2], 1), mixed([c.kernel, c.kernel, 2, 1], 1)];
      await expectNumericGradients((v, f) => conv2d(v as tf.Tensor4D, f as tf.Tensor4D, c.stride), [x, full]);
      await expectNumericGradients(
        (v, f) => depthwiseConv2d(v as tf.Tensor4D, f as tf.Tensor4D, c.stride),
        [x, depthwise],
      );
      tf.dispose([x, full, depthwise]);
    }),
  );
});
