// What is registered for tfjs-node, and its replacements of tfjs-node's own kernels against the cpu backend.
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { registerNativeKernels } from "../src";
import { expectClose, type Input, KERNEL_BACKENDS, onCpu, runKernel, seeded, uniform, useBackend } from "./harness";

const native = KERNEL_BACKENDS.find(({ name }) => name === "tfjs-node")!;

it("registers nothing where tfjs-node is not loaded", () => {
  expect(registerNativeKernels()).toBe(false);
  expect(tf.getKernelsForBackend("tensorflow")).toEqual([]);
});

describe.skipIf(!native.present)("on tfjs-node", () => {
  beforeAll(() => useBackend(native));
  const on = (kernel: string, inputs: Record<string, Input>, attrs: Record<string, unknown>) =>
    runKernel(native.tfBackend, kernel, inputs, attrs)[0]!;

  it("registers once", () => {
    const kernels = tf.getKernelsForBackend("tensorflow");
    expect(registerNativeKernels()).toBe(true);
    expect(tf.getKernelsForBackend("tensorflow")).toEqual(kernels);
  });

  it.each([
    { x: [2, 5, 7, 3], channels: 4, size: 1, strides: [1, 1], pad: "valid" },
    { x: [1, 4, 4, 8], channels: 8, size: 1, strides: [1, 1], pad: "same" },
    { x: [2, 5, 7, 3], channels: 4, size: 1, strides: [2, 2], pad: "valid" },
    { x: [1, 6, 5, 2], channels: 3, size: 3, strides: [1, 1], pad: "same" },
  ])(
    "convolves $x to $channels channels, $size wide in steps of $strides",
    ({ x: shape, channels, size, ...attrs }) => {
      const random = seeded(channels);
      const [b, h, w, c] = shape as [number, number, number, number];
      const [x, filter] = [uniform(random, shape), uniform(random, [size, size, c, channels])];
      const all = { ...attrs, dataFormat: "NHWC", dilations: [1, 1] };
      const [y] = onCpu(tf.Conv2D, { x, filter }, all);
      expectClose(on(tf.Conv2D, { x, filter }, all), y!);
      const dy = uniform(random, y!.shape);
      const filterAttrs = { ...all, filterShape: filter.shape };
      expectClose(
        on(tf.Conv2DBackpropFilter, { x, dy }, filterAttrs),
        onCpu(tf.Conv2DBackpropFilter, { x, dy }, filterAttrs)[0]!,
      );
      const inputAttrs = { ...all, inputShape: [b, h, w, c] };
      expectClose(
        on(tf.Conv2DBackpropInput, { dy, filter }, inputAttrs),
        onCpu(tf.Conv2DBackpropInput, { dy, filter }, inputAttrs)[0]!,
      );
    },
  );

  it("steps, NaN and a slope below zero included", () => {
    const x = { values: Float32Array.of(-2, 0, 3, Number.NaN), shape: [4] };
    expect(Array.from(on(tf.Step, { x }, { alpha: 0 }).values)).toEqual([0, 0, 1, Number.NaN]);
    expect(Array.from(on(tf.Step, { x }, { alpha: 0.5 }).values)).toEqual([0.5, 0.5, 1, Number.NaN]);
  });

  it("casts to the same type by handing the data on", () => {
    const x = { values: Float32Array.of(1.5, -2.5), shape: [2] };
    expect(Array.from(on(tf.Cast, { x }, { dtype: "float32" }).values)).toEqual([1.5, -2.5]);
    expect(Array.from(on(tf.Cast, { x }, { dtype: "int32" }).values)).toEqual([1, -2]);
  });
});
