import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { defineOperation } from "../src";
import { backends, onBackend } from "./backends";
import { expectNumericGradients, expectOnlyResults, mixed } from "./check-gradients";

const powers = defineOperation<{ readonly factor: number }>({
  name: "TestPowers",
  compose: ({ x }, { factor }) => [tf.mul(tf.square(x!), factor), tf.mul(tf.mul(x!, tf.square(x!)), factor)],
  gradient: {
    inputsToSave: ["x"],
    outputsToSave: [],
    gradFunc: ([dSquare, dCube], [x], { factor }) => ({
      x: () => tf.mul(tf.add(tf.mul(dSquare!, tf.mul(x!, 2)), tf.mul(dCube!, tf.mul(tf.square(x!), 3))), factor),
    }),
  },
});

describe.each(backends)("defineOperation on %s", (backend) => {
  it("runs the composition, passes attributes, and differentiates through all outputs", () =>
    onBackend(backend, async () => {
      const x = tf.tensor1d([1, -2]);
      const [square, cube] = powers({ x }, { factor: 2 });
      expect(Array.from(await square!.data())).toEqual([2, 8]);
      expect(Array.from(await cube!.data())).toEqual([2, -16]);
      const y = mixed([3]);
      await expectNumericGradients((v) => tf.concat(powers({ x: v! }, { factor: 2 })), [y], {
        step: 1 / 32,
        tolerance: 1e-2,
      });
      expectOnlyResults(() => powers({ x }, { factor: 2 }));
      tf.dispose([x, y, square!, cube!]);
    }));
});

describe("defineOperation", () => {
  it("takes a backend's own kernel where there is one", () =>
    onBackend("cpu", async () => {
      const operation = defineOperation({ name: "TestReplaced", compose: ({ x }) => [tf.neg(x!)] });
      tf.registerKernel({
        kernelName: "TestReplaced",
        backendName: "cpu",
        kernelFunc: ({ inputs }) => tf.add(inputs.x as tf.Tensor, 100),
      });
      const x = tf.scalar(1);
      const [replaced] = operation({ x }, {});
      expect(Array.from(await replaced!.data())).toEqual([101]);
      tf.dispose([x, replaced!]);
      await tf.setBackend("wasm");
      const moved = tf.scalar(1);
      const [composed] = operation({ x: moved }, {});
      expect(Array.from(await composed!.data())).toEqual([-1]);
      tf.dispose([moved, composed!]);
    }));

  it("refuses to differentiate an operation without a gradient", () =>
    onBackend("cpu", async () => {
      const operation = defineOperation({ name: "TestFlat", compose: ({ x }) => [tf.neg(x!)] });
      const x = tf.scalar(1);
      expect(() => tf.grad((v) => operation({ x: v }, {})[0]!)(x)).toThrow("TestFlat");
      x.dispose();
    }));
});
