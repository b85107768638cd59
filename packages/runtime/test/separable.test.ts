// The fused separable convolution against cpu's depthwise and 1×1 convolutions, over random shapes.
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { RuntimeError } from "../src/errors";
import { type Attrs, expectClose, type Input, onWasm, seeded, uniform, useWasm } from "./harness";

beforeAll(useWasm);

const KERNEL = "CaddetSepConv";

function onCpu({ x, depthwise, pointwise, bias, residual }: Record<string, Input>, attrs: Attrs): Input {
  tf.setBackend("cpu");
  const y = tf.tidy(() => {
    const [input, dw, pw, b] = [x!, depthwise!, pointwise!, bias!].map(({ values, shape }) => tf.tensor(values, shape));
    const pad = attrs.pad as number | "same" | "valid";
    const { strides } = attrs as { strides: [number, number] };
    const rounding = typeof pad === "number" ? "floor" : undefined;
    const filtered = tf.depthwiseConv2d(input as tf.Tensor4D, dw as tf.Tensor4D, strides, pad, "NHWC", 1, rounding);
    const sum = tf.add(tf.conv2d(filtered as tf.Tensor4D, pw as tf.Tensor4D, 1, "valid"), b!);
    const all = residual ? tf.add(sum, tf.tensor(residual.values, residual.shape)) : sum;
    const out = attrs.activation === "relu" ? tf.relu(all) : all;
    return { values: out.dataSync<"float32">().slice(), shape: out.shape };
  });
  tf.setBackend("wasm");
  return y;
}

function inputs(random: () => number, [b, h, w, c]: [number, number, number, number], k: number, size = 3) {
  return {
    x: uniform(random, [b, h, w, c]),
    depthwise: uniform(random, [size, size, c, 1]),
    pointwise: uniform(random, [1, 1, c, k]),
    bias: uniform(random, [k]),
  };
}

describe(KERNEL, () => {
  it.each([
    { name: "a pixel", x: [1, 1, 1, 8], k: 8 },
    { name: "three channels at stride 2", x: [2, 11, 14, 3], k: 10, stride: 2, pad: 1 },
    { name: "stride 2, an even side", x: [1, 12, 9, 16], k: 7, stride: 2, pad: 1 },
    { name: "odd channels", x: [3, 5, 7, 13], k: 17 },
    { name: "a row longer than a block of the product", x: [1, 3, 450, 4], k: 8 },
    { name: "several bands, batch 2", x: [2, 23, 100, 64], k: 32 },
    { name: "narrow bands", x: [1, 9, 13, 512], k: 40 },
    { name: "no padding, 5 × 5", x: [1, 9, 11, 8], k: 8, size: 5, pad: "valid" },
  ] as const)("agrees with the cpu backend: $name", (c) => {
    const random = seeded(5);
    const { stride = 1, pad = "same", size = 3 } = c as { stride?: number; pad?: number | string; size?: number };
    const all = inputs(random, [...c.x] as [number, number, number, number], c.k, size);
    for (const activation of ["linear", "relu"]) {
      const rounding = typeof pad === "number" ? { dimRoundingMode: "floor" } : {};
      const attrs = { strides: [stride, stride], pad, dilations: [1, 1], activation, ...rounding };
      const plain = onCpu(all, attrs);
      expectClose(onWasm(KERNEL, all, attrs)[0]!, plain);
      const more = { ...all, residual: uniform(random, plain.shape) };
      expectClose(onWasm(KERNEL, more, attrs)[0]!, onCpu(more, attrs));
    }
  });

  it("refuses inputs that do not fit", () => {
    const attrs = { strides: [1, 1], pad: "same", dilations: [1, 1], activation: "relu" };
    const all = inputs(seeded(1), [1, 4, 4, 8], 8);
    const wrong = (changes: Record<string, Input>, more: Attrs = {}) => {
      return () => onWasm(KERNEL, { ...all, ...changes }, { ...attrs, ...more });
    };
    const some = uniform(seeded(2), [1, 1, 7, 8]);
    expect(wrong({ pointwise: some })).toThrow(RuntimeError);
    expect(wrong({ pointwise: some })).toThrow(/'pointwise' of shape \[1,1,7,8\]; expected \[1,1,8,8\]/);
    expect(wrong({ bias: some })).toThrow(/'bias' of shape/);
    expect(wrong({ residual: some })).toThrow(/'residual' of shape/);
    expect(wrong({}, { activation: "elu" })).toThrow(/activation 'elu'; expected 'linear' or 'relu'/);
  });
});
