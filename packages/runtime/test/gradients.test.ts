import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { registerGradients } from "../src";
import { type InstalledPackage, installPackage } from "./installed-package";

const own: tf.GradConfig = { kernelName: tf.Square, gradFunc: () => ({}) };
const absentAtImport = tf.getGradient(tf.Conv2D) === undefined;

beforeAll(async () => {
  tf.registerGradient(own);
  registerGradients();
  await tf.setBackend("cpu");
});

/** The kernels that tfjs-core has a gradient for, read from its sources. */
function differentiableKernels(): string[] {
  const folder = join(dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-core")), "gradients");
  const kernels = readdirSync(folder)
    .filter((file) => file.endsWith("_grad.js"))
    .map((file) => /kernelName: (\w+)/.exec(readFileSync(join(folder, file), "utf8"))?.[1] ?? file);
  return kernels.map((name) => (tf as unknown as Record<string, string>)[name] ?? name);
}

describe("registerGradients", () => {
  it("registers nothing when the module is imported", () => {
    expect(absentAtImport).toBe(true);
  });

  it("registers the gradient of every kernel that TensorFlow.js has one for", () => {
    const kernels = differentiableKernels();
    expect(kernels.length).toBeGreaterThan(100);
    expect(kernels.filter((kernel) => !tf.getGradient(kernel))).toEqual([]);
  });

  it("keeps a gradient that was there before", () => {
    expect(tf.getGradient(tf.Square)).toBe(own);
  });

  it("changes nothing when called again, and does not warn in debug mode either", () => {
    const before = tf.getGradient(tf.Conv2D);
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    tf.env().set("DEBUG", true);
    try {
      warn.mockClear();
      registerGradients();
      expect(warn).not.toHaveBeenCalled();
    } finally {
      tf.env().set("DEBUG", false);
      warn.mockRestore();
    }
    expect(tf.getGradient(tf.Conv2D)).toBe(before);
  });
});

// Values in [-1, 1) that repeat only after many steps, away from the kinks of ReLU.
function wave(shape: number[], step: number): tf.Tensor {
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(step * (i + 1)) + 0.05),
    shape,
  );
}

type Loss = (inputs: tf.Tensor[]) => tf.Tensor;

// Each op stands for bundled code of another kind: ops that tfjs-core hides, the engine, helpers of shapes and axes.
const cases: { name: string; shapes: number[][]; loss: Loss }[] = [
  {
    name: "conv2d, stride 2",
    shapes: [
      [2, 5, 4, 2],
      [3, 3, 2, 3],
    ],
    loss: ([x, w]) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 2, "same"),
  },
  {
    name: "depthwiseConv2d",
    shapes: [
      [2, 4, 5, 2],
      [3, 3, 2, 1],
    ],
    loss: ([x, w]) => tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, "same"),
  },
  {
    name: "conv2dTranspose",
    shapes: [
      [1, 2, 3, 2],
      [3, 3, 1, 2],
    ],
    loss: ([x, w]) => tf.conv2dTranspose(x as tf.Tensor4D, w as tf.Tensor4D, [1, 4, 6, 1], 2, "same"),
  },
  { name: "maxPool", shapes: [[1, 4, 4, 2]], loss: ([x]) => tf.maxPool(x as tf.Tensor4D, 2, 2, "valid") },
  { name: "avgPool", shapes: [[1, 4, 4, 2]], loss: ([x]) => tf.avgPool(x as tf.Tensor4D, 2, 2, "valid") },
  {
    name: "resizeBilinear",
    shapes: [[1, 3, 3, 2]],
    loss: ([x]) => tf.image.resizeBilinear(x as tf.Tensor4D, [6, 6]),
  },
  {
    name: "batchNorm",
    shapes: [[2, 2, 2, 3], [3], [3], [3]],
    loss: ([x, mean, offset, scale]) => {
      const variance = tf.tensor1d([1, 2, 3]);
      return tf.batchNorm4d(
        x as tf.Tensor4D,
        mean as tf.Tensor1D,
        variance,
        offset as tf.Tensor1D,
        scale as tf.Tensor1D,
      );
    },
  },
  { name: "gather", shapes: [[4, 3]], loss: ([x]) => tf.gather(x!, tf.tensor1d([2, 0, 2], "int32")) },
  {
    name: "matMul",
    shapes: [
      [3, 2],
      [4, 2],
    ],
    loss: ([a, b]) => tf.matMul(a!, b!, false, true),
  },
  { name: "max", shapes: [[3, 4]], loss: ([x]) => tf.max(x!, 1) },
  {
    name: "concat and slice",
    shapes: [
      [2, 3],
      [2, 2],
    ],
    loss: ([a, b]) => tf.slice(tf.concat([a!, b!], 1), [0, 1], [2, 3]),
  },
  { name: "logSoftmax", shapes: [[2, 4]], loss: ([x]) => tf.logSoftmax(x!) },
  {
    name: "broadcast division",
    shapes: [
      [2, 3],
      [1, 3],
    ],
    loss: ([a, b]) => tf.div(a!, tf.add(b!, 3)),
  },
];

/** Σ loss(inputs) · weights, with fixed weights, so that all outputs count differently. */
function scalarOf(loss: Loss): (...inputs: tf.Tensor[]) => tf.Scalar {
  return (...inputs) => {
    const y = loss(inputs);
    return tf.sum(tf.mul(y, wave(y.shape, 0.7))) as tf.Scalar;
  };
}

function numericGradient(loss: Loss, inputs: tf.Tensor[], which: number): number[] {
  const values = inputs[which]!.dataSync();
  const half = 1 / 128;
  const at = (index: number, change: number) =>
    tf.tidy(() => {
      const moved = tf.tensor(
        values.map((value, i) => (i === index ? value + change : value)),
        inputs[which]!.shape,
      );
      return scalarOf(loss)(...inputs.map((input, i) => (i === which ? moved : input))).dataSync()[0]!;
    });
  return Array.from(values, (_, index) => (at(index, half) - at(index, -half)) / (2 * half));
}

describe("the registered gradients agree with finite differences on cpu", () => {
  it.each(cases)("$name", ({ shapes, loss }) => {
    const before = tf.memory().numTensors;
    const inputs = shapes.map((shape, i) => wave(shape, 2.1 + i));
    const gradients = tf.grads(scalarOf(loss))(inputs);
    for (const [i, gradient] of gradients.entries()) {
      expect(gradient.shape).toEqual(shapes[i]);
      const exact = gradient.dataSync();
      const numeric = numericGradient(loss, inputs, i);
      const scale = Math.max(...numeric.map(Math.abs));
      expect(scale).toBeGreaterThan(0.01);
      for (const [k, value] of numeric.entries()) expect(Math.abs(value - exact[k]!) / scale).toBeLessThan(5e-3);
    }
    tf.dispose([...inputs, ...gradients]);
    expect(tf.memory().numTensors).toBe(before);
  });
});

const TRAIN = `
  tf.setBackend("cpu");
  const absent = !tf.getGradient("Conv2D");
  registerGradients();
  const loss = (x, w, d) => tf.sum(tf.conv2d(tf.depthwiseConv2d(x, d, 1, "same"), w, 1, "same"));
  const gradients = tf.grads(loss)([tf.ones([1, 4, 4, 1]), tf.ones([1, 1, 1, 2]), tf.ones([3, 3, 1, 1])]);
  console.log(JSON.stringify({ absent, sums: gradients.map((gradient) => tf.sum(gradient).dataSync()[0]) }));
`;

const IMPORTS = {
  mjs: `
    import { registerGradients } from "@caddet/runtime";
    import "@tensorflow/tfjs-backend-cpu";
    import * as tf from "@tensorflow/tfjs-core";`,
  cjs: `
    const { registerGradients } = require("@caddet/runtime");
    require("@tensorflow/tfjs-backend-cpu");
    const tf = require("@tensorflow/tfjs-core");`,
};

describe("the built package", () => {
  let installed: InstalledPackage;
  beforeAll(async () => {
    installed = await installPackage();
  });
  afterAll(() => installed.remove());

  // A 3x3 window of ones over 4x4 ones with padding covers 4·4 + 8·6 + 4·9 = 100 pixels in all.
  it.each(["mjs", "cjs"] as const)("trains a separable convolution from %s", async (format) => {
    const result = await installed.run(format, IMPORTS[format] + TRAIN);
    expect(result).toEqual({ absent: true, sums: [200, 200, 200] });
  });
});
