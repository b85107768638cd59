// Graphs on tfjs-node: what is noted and run again as one gives the same values, whatever attributes its operations have; and the updates
// of all parameters together are those of each.
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { graphRecorder, prepareBackend } from "../src/node";
import { attribute, savedModel } from "../src/node/graphs/saved-model";
import { findPackage } from "../src/node/packages";

const isHere = findPackage("@tensorflow/tfjs-node") !== undefined;

it("writes attributes in the wire format", () => {
  const bytes = (...values: unknown[]) => [...attribute(...(values as Parameters<typeof attribute>)).join()];
  expect(bytes("bool", true)).toEqual([0x28, 1]);
  expect(bytes("int", 300)).toEqual([0x18, 0xac, 0x02]);
  // 64 bits of two's complement
  expect(bytes("int", -1)).toEqual([0x18, ...new Array(9).fill(0xff), 1]);
  expect(bytes("float", 1)).toEqual([0x25, 0, 0, 0x80, 0x3f]);
  expect(bytes("string", "ab")).toEqual([0x12, 2, 0x61, 0x62]);
  expect(bytes("int", [1, 2])).toEqual([0x0a, 4, 0x18, 1, 0x18, 2]);
  expect(bytes("shape", [5])).toEqual([0x3a, 4, 0x12, 2, 0x08, 5]);
});

it("puts nodes into a model of one graph", () => {
  const text = new TextDecoder("latin1").decode(
    savedModel([
      { name: "a", op: "Placeholder", inputs: [], attributes: { dtype: attribute("type", 1) } },
      { name: "b", op: "Relu", inputs: ["a"], attributes: { T: attribute("type", 1) } },
    ]),
  );
  for (const part of ["serve", "Placeholder", "Relu", "dtype"]) expect(text).toContain(part);
});

it("has no recorder where the current backend is another", async () => {
  await prepareBackend({ backend: "wasm" });
  expect(graphRecorder()).toBeUndefined();
});

describe.skipIf(!isHere)(isHere ? "on tfjs-node" : "on tfjs-node, which is not here", () => {
  beforeAll(async () => {
    await prepareBackend({ backend: "tfjs-node" });
  });

  interface Counts {
    getNumOfTensors(): number;
    getNumOfSavedModels(): number;
  }
  const counts = () => (tf.backend() as unknown as { binding: Counts }).binding;

  /** Runs twice, as it is and as a graph of other inputs, and compares the graph with the function itself. */
  function check(run: (...xs: tf.Tensor[]) => tf.Tensor[], shapes: number[][]): void {
    const [models, tensors] = [counts().getNumOfSavedModels(), tf.memory().numTensors];
    tf.tidy(() => {
      const make = (seed: number) => shapes.map((shape, i) => tf.randomNormal(shape, 0, 1, "float32", seed + i));
      const [first, second] = [make(1), make(11)];
      const recorder = graphRecorder()!;
      const recording = recorder.record();
      const results = recording.run(() => run(...first), first);
      expect(recording.refusal).toBeUndefined();
      const program = recorder.compile(recording);
      const plan = program.plan(
        results.map((tensor) => recording.idOf(tensor)),
        0,
      );
      const at = first.map((tensor) => recording.idOf(tensor));
      const made = plan.run(plan.feeds.map((id) => second[at.indexOf(id)]!));
      const wanted = run(...second);
      for (const [i, tensor] of made.entries()) {
        expect(tensor.shape).toEqual(wanted[i]!.shape);
        expect(tf.max(tf.abs(tf.sub(tensor, wanted[i]!))).dataSync()[0]).toBeLessThan(1e-4);
      }
      program.dispose();
    });
    expect([counts().getNumOfSavedModels(), tf.memory().numTensors]).toEqual([models, tensors]);
  }

  it("runs convolutions, products, reductions, slices and constants again", () => {
    check(
      (x, filter, wide) => {
        const y = tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 2, "same");
        const product = tf.matMul(tf.reshape(y, [-1, 5]), wide as tf.Tensor2D, false, true);
        const part = tf.slice(
          tf.pad(product, [
            [1, 0],
            [0, 2],
          ]),
          [1, 1],
          [4, 3],
        );
        const pooled = tf.maxPool(x as tf.Tensor4D, 3, 2, "valid");
        return [part, tf.mean(pooled, [1, 2]), tf.mul(tf.concat([x, x], 3), tf.tensor1d([1, 2, 3, 4, 5, 6]))];
      },
      [
        [2, 7, 8, 3],
        [3, 3, 3, 5],
        [4, 5],
      ],
    );
  });

  it.each([1, 2, 5])("pools %i images in a graph as elsewhere", (images) => {
    const run = (name: string, inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap): tf.Tensor =>
      [tf.engine().runKernel(name, inputs, { bins: 2, ...attrs })].flat()[0] as tf.Tensor;
    check(
      (x, dy) => [run("CaddetAdaptivePool", { x }, {}), run("CaddetAdaptivePoolGrad", { dy }, { height: 5, width: 7 })],
      [
        [images, 5, 7, 3],
        [images, 4, 3],
      ],
    );
  });

  it("hands on what it is fed, and gives each that is fetched twice", () => {
    check(
      (x) => {
        const y = tf.relu(x);
        return [x, y, y];
      },
      [[3]],
    );
  });

  it("tells other constants and other operations by the signature", () => {
    const signature = (run: (x: tf.Tensor) => tf.Tensor) =>
      tf.tidy(() => {
        const x = tf.ones([2]);
        const recording = graphRecorder()!.record();
        recording.run(() => run(x), [x]);
        return recording.signature();
      });
    const plain = signature((x) => tf.mul(x, 2));
    expect(signature((x) => tf.mul(x, 2))).toBe(plain);
    expect(signature((x) => tf.mul(x, 3))).not.toBe(plain);
    expect(signature((x) => tf.add(x, 2))).not.toBe(plain);
  });

  it.each<{ one: string; slots: string[]; attrs: Record<string, number> }>([
    { one: "CaddetSgd", slots: ["momentum"], attrs: { momentum: 0.9 } },
    { one: "CaddetAdamW", slots: ["mean", "square"], attrs: { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, step: 3 } },
  ])("updates all parameters as $one does each", ({ one, slots, attrs }) => {
    const shapes = [[5], [3, 3, 2, 4], [200, 100]];
    const learningRates = [0.1, 0.2, 0.1];
    const weightDecays = [0, 0.01, 0.01];
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      for (const seed of [1, 100]) {
        const make = (i: number, k: number) => tf.abs(tf.randomNormal(shapes[i]!, 0, 1, "float32", seed + 10 * i + k));
        const all = shapes.map((_, i) =>
          Object.fromEntries(["parameter", "gradient", ...slots].map((name, k) => [name, make(i, k)])),
        );
        const gradientScale = tf.scalar(0.5);
        const numbered = all.flatMap((named, i) => Object.entries(named).map(([name, t]) => [`${name}${i}`, t]));
        const rates = { learningRates, weightDecays };
        const got: tf.Tensor[] = tf
          .engine()
          .runKernel(`${one}All`, { ...Object.fromEntries(numbered), gradientScale }, { ...attrs, ...rates });
        const wanted = all.flatMap((named, i) =>
          reference(one, named, gradientScale, attrs, learningRates[i]!, weightDecays[i]!),
        );
        expect(got).toHaveLength(wanted.length);
        for (const [i, tensor] of got.entries()) {
          expect(tf.max(tf.abs(tf.sub(tensor, wanted[i]!))).dataSync()[0]).toBeLessThan(1e-5);
        }
      }
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  /** PyTorch's rules, by hand. */
  function reference(
    one: string,
    named: Record<string, tf.Tensor>,
    scale: tf.Tensor,
    attrs: Record<string, number>,
    rate: number,
    decay: number,
  ): tf.Tensor[] {
    const { parameter: p, gradient, momentum, mean, square } = named;
    const g = tf.mul(gradient!, scale);
    if (one === "CaddetSgd") {
      const m = tf.add(tf.mul(momentum!, attrs.momentum!), tf.add(g, tf.mul(p!, decay)));
      return [tf.sub(p!, tf.mul(m, rate)), m];
    }
    const { beta1, beta2, epsilon, step } = attrs as Record<"beta1" | "beta2" | "epsilon" | "step", number>;
    const m = tf.add(tf.mul(mean!, beta1), tf.mul(g, 1 - beta1));
    const v = tf.add(tf.mul(square!, beta2), tf.mul(tf.square(g), 1 - beta2));
    const unbiased = tf.div(m, 1 - beta1 ** step);
    const spread = tf.add(tf.sqrt(tf.div(v, 1 - beta2 ** step)), epsilon);
    return [tf.sub(tf.mul(p!, 1 - rate * decay), tf.mul(tf.div(unbiased, spread), rate)), m, v];
  }
});
