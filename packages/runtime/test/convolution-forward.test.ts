// The forward convolutions against cpu over random shapes are in convolution.test.ts; here is what is fused behind them,
// and what is left to tfjs.
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, it } from "vitest";
import { type Attrs, expectClose, onCpu, onWasm, seeded, uniform, useWasm } from "./harness";

beforeAll(useWasm);

describe.each([
  { fused: tf.FusedConv2D, plain: tf.Conv2D, filterShape: [3, 3, 6, 10], channels: 10 },
  { fused: tf.FusedDepthwiseConv2D, plain: tf.DepthwiseConv2dNative, filterShape: [3, 3, 6, 1], channels: 6 },
])("$fused", ({ fused, plain, filterShape, channels }) => {
  const random = seeded(41);
  const x = uniform(random, [2, 9, 7, 6]);
  const filter = uniform(random, filterShape);
  const bias = uniform(random, [channels]);
  const base: Attrs = { strides: [1, 1], pad: "same", dilations: [1, 1], dataFormat: "NHWC" };

  it.each(["linear", "relu", "relu6", "elu", "sigmoid"])("agrees with the cpu backend for %s", (activation) => {
    for (const strides of [
      [1, 1],
      [2, 2],
    ]) {
      const attrs = { ...base, strides, activation };
      expectClose(onWasm(fused, { x, filter, bias }, attrs)[0]!, onCpu(fused, { x, filter, bias }, attrs)[0]!);
      expectClose(onWasm(fused, { x, filter }, attrs)[0]!, onCpu(fused, { x, filter }, attrs)[0]!);
    }
  });

  it("leaves prelu and dilation to tfjs", () => {
    const prelu = { x, filter, bias, preluActivationWeights: uniform(random, [channels]) };
    const attrs = { ...base, activation: "prelu" };
    expectClose(onWasm(fused, prelu, attrs)[0]!, onCpu(fused, prelu, attrs)[0]!);
    const dilated = { ...base, dilations: [2, 2] };
    expectClose(onWasm(plain, { x, filter }, dilated)[0]!, onCpu(plain, { x, filter }, dilated)[0]!);
  });
});
