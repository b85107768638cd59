import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { RuntimeError } from "../src/errors";
import { type Attrs, expectClose, onCpu, onWasm, seeded, uniform, useWasm } from "./harness";

beforeAll(useWasm);

const EXPLICIT = [
  [0, 0],
  [1, 2],
  [0, 1],
  [0, 0],
];

function outputShape(input: number[], filter: number[], attrs: Attrs, depthwise: boolean): number[] {
  return tf.backend_util.computeConv2DInfo(
    input as [number, number, number, number],
    filter as [number, number, number, number],
    attrs.strides as number,
    1,
    attrs.pad as "same",
    attrs.dimRoundingMode as "floor" | undefined,
    depthwise,
  ).outShape;
}

interface Case {
  input: number[];
  filter: number[];
  attrs: Attrs;
}

function cases(depthwise: boolean, count: number): Case[] {
  const random = seeded(depthwise ? 11 : 7);
  const pick = <T>(options: readonly T[]): T => options[Math.floor(random() * options.length)]!;
  const found: Case[] = [];
  while (found.length < count) {
    const size = pick([1, 3, 3, 3, 2, 5]);
    const channels = pick([1, 3, 4, 5, 7, 8, 13, 16, 33]);
    const input = [pick([1, 2, 3]), size + pick([0, 1, 2, 4, 7, 12]), size + pick([0, 1, 3, 5, 8, 17]), channels];
    const stride = pick([1, 1, 2, 2, 3]);
    const padding = pick<unknown>(["same", "valid", 0, 1, EXPLICIT]);
    const filter = [
      size,
      pick([size, size, 3]),
      channels,
      depthwise ? pick([1, 1, 1, 1, 2]) : pick([1, 3, 8, 10, 17, 24]),
    ];
    if (filter[1]! > input[2]!) continue;
    // tfjs sizes the result of a numeric padding by the filter's height alone.
    if (typeof padding === "number" && filter[0] !== filter[1]) continue;
    const rounding = typeof padding === "number" || Array.isArray(padding) ? { dimRoundingMode: "floor" } : {};
    found.push({ input, filter, attrs: { strides: [stride, stride], pad: padding, dilations: 1, ...rounding } });
  }
  return found;
}

describe.each([
  { kind: "dense", depthwise: false, filterKernel: tf.Conv2DBackpropFilter, inputKernel: tf.Conv2DBackpropInput },
  {
    kind: "depthwise",
    depthwise: true,
    filterKernel: tf.DepthwiseConv2dNativeBackpropFilter,
    inputKernel: tf.DepthwiseConv2dNativeBackpropInput,
  },
])("gradients of a $kind convolution", ({ depthwise, filterKernel, inputKernel }) => {
  const forward = depthwise ? tf.DepthwiseConv2dNative : tf.Conv2D;

  it("agree with the cpu backend over sizes, strides, paddings, batches and channels", () => {
    const random = seeded(3);
    for (const { input, filter, attrs } of cases(depthwise, 160)) {
      const dy = uniform(random, outputShape(input, filter, attrs, depthwise));
      const x = uniform(random, input);
      const weights = uniform(random, filter);
      const dataFormat = depthwise ? {} : { dataFormat: "NHWC" };
      const note = JSON.stringify({ input, filter, attrs });
      const filterAttrs = { ...attrs, ...dataFormat, filterShape: filter };
      const inputAttrs = { ...attrs, ...dataFormat, inputShape: input };
      try {
        expectClose(onWasm(filterKernel, { x, dy }, filterAttrs)[0]!, onCpu(filterKernel, { x, dy }, filterAttrs)[0]!);
        expectClose(
          onWasm(inputKernel, { dy, filter: weights }, inputAttrs)[0]!,
          onCpu(inputKernel, { dy, filter: weights }, inputAttrs)[0]!,
        );
        const forwardAttrs = { ...attrs, ...dataFormat };
        expectClose(
          onWasm(forward, { x, filter: weights }, forwardAttrs)[0]!,
          onCpu(forward, { x, filter: weights }, forwardAttrs)[0]!,
        );
      } catch (error) {
        throw new Error(`at ${note}: ${(error as Error).message}`);
      }
    }
  });

  it("refuses dilation, and a dy that does not fit", () => {
    const random = seeded(5);
    const filter = [3, 3, 4, depthwise ? 1 : 4];
    const x = uniform(random, [1, 8, 8, 4]);
    const attrs = { strides: 1, pad: "same", dilations: 1, filterShape: filter };
    const wrong = uniform(random, [1, 7, 8, 4]);
    expect(() => onWasm(filterKernel, { x, dy: wrong }, attrs)).toThrow(
      /got 'dy' of shape \[1,7,8,4\]; expected \[1,8,8,4\]/,
    );
    expect(() => onWasm(filterKernel, { x, dy: x }, { ...attrs, dilations: 2 })).toThrow(RuntimeError);
  });
});
