// The fused convolutions on tfjs-node against its plain operations, with oneDNN's own bias and, as in a library without it, with a second operation.
// They need tfjs-node (it may be in NODE_PATH) and are skipped by name where it is not installed.
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { prepareBackend } from "../src/node";
import { findPackage } from "../src/node/packages";

const isHere = findPackage("@tensorflow/tfjs-node") !== undefined;

type Tensors = Record<string, tf.Tensor>;
interface Native {
  executeSingleOutput(name: string, attrs: object[], inputs: tf.TensorInfo[]): tf.Tensor;
}

describe.skipIf(!isHere)(isHere ? "on tfjs-node" : "on tfjs-node, which is not here", () => {
  const inputs: Tensors = {};
  beforeAll(async () => {
    await prepareBackend({ backend: "tfjs-node" });
    const shapes = {
      x: [2, 9, 12, 8],
      filter: [3, 3, 8, 5],
      bias: [5],
      depthwise: [3, 3, 8, 1],
      pointwise: [1, 1, 8, 5],
    };
    for (const [i, [name, shape]] of Object.entries(shapes).entries()) {
      inputs[name] = tf.randomNormal(shape, 0, 1, "float32", i + 1);
    }
  });
  afterAll(() => tf.dispose(inputs));

  /** A backend that knows no convolution with a bias, and what it was asked for. */
  function withoutBias() {
    const backend = tf.backend() as unknown as Native;
    const asked: string[] = [];
    const plain = Object.create(backend) as Native;
    plain.executeSingleOutput = (name, attrs, operands) => {
      asked.push(name);
      if (name.includes("WithBias")) throw new Error(`no operation ${name}`);
      return backend.executeSingleOutput(name, attrs, operands);
    };
    return { plain, asked };
  }

  function expected(
    attrs: { stride: number; activation: string; residual?: tf.Tensor },
    separable: boolean,
  ): tf.Tensor {
    const { x, filter, bias, depthwise, pointwise } = inputs as Record<string, tf.Tensor4D>;
    const padded = tf.pad4d(x!, [
      [0, 0],
      [1, 1],
      [1, 1],
      [0, 0],
    ]);
    const { stride, activation, residual } = attrs;
    const product = separable
      ? tf.conv2d(tf.depthwiseConv2d(padded, depthwise!, stride, "valid"), pointwise!, 1, "valid")
      : tf.conv2d(padded, filter!, stride, "valid");
    const sum = tf.add(product, bias!);
    const all = residual ? tf.add(sum, residual) : sum;
    return activation === "relu" ? tf.relu(all) : all;
  }

  function check(
    name: string,
    operands: Tensors,
    attrs: { stride: number; activation: string },
    backend?: object,
  ): void {
    const before = tf.memory().numTensors;
    const { stride, activation } = attrs;
    const pad = stride === 1 ? "same" : 1;
    const given = { strides: [stride, stride], pad, dilations: [1, 1], dataFormat: "NHWC", activation };
    tf.tidy(() => {
      const y = backend
        ? (tf.getKernel(name, "tensorflow")!.kernelFunc({ inputs: operands, attrs: given, backend }) as tf.Tensor)
        : (tf.engine().runKernel(name, operands, given) as tf.Tensor);
      const { residual } = operands;
      const want = expected({ ...attrs, ...(residual ? { residual } : {}) }, name !== tf.FusedConv2D);
      expect(y.shape).toEqual(want.shape);
      expect(tf.max(tf.abs(tf.sub(y, want))).dataSync()[0]).toBeLessThan(1e-4);
    });
    expect(tf.memory().numTensors).toBe(before);
  }

  it.each([
    { stride: 1, activation: "linear" },
    { stride: 1, activation: "relu" },
    { stride: 2, activation: "relu" },
  ])("FusedConv2D and CaddetSepConv are the plain convolutions: stride $stride, $activation", (attrs) => {
    const { x, filter, bias, depthwise, pointwise } = inputs as Required<Tensors>;
    const separable = { x, depthwise, pointwise, bias } as Tensors;
    check(tf.FusedConv2D, { x, filter, bias } as Tensors, attrs);
    check("CaddetSepConv", separable, attrs);
    const { plain, asked } = withoutBias();
    check(tf.FusedConv2D, { x, filter, bias } as Tensors, attrs, plain);
    check("CaddetSepConv", separable, attrs, plain);
    expect(asked.filter((name) => name.includes("WithBias"))).toHaveLength(1); // tried once
    expect(asked).toContain("BiasAdd");
  });

  it("CaddetSepConv adds a residual in front of the ReLU", () => {
    const { x, depthwise, pointwise, bias } = inputs;
    const residual = tf.randomNormal([2, 9, 12, 5], 0, 1, "float32", 9);
    const operands = { x, depthwise, pointwise, bias, residual } as Tensors;
    check("CaddetSepConv", operands, { stride: 1, activation: "relu" });
    residual.dispose();
  });
});
