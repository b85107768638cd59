// A loss that throws half way leaves nothing behind; one that does not gives what TensorFlow.js gives.
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { variableGrads } from "../src";
import { backends, onBackend } from "./backends";

describe.each(backends)("variableGrads on %s", (backend) => {
  it("gives value and gradients", () =>
    onBackend(backend, async () => {
      const v = tf.tidy(() => tf.variable(tf.tensor1d([1, 2, 3])));
      const { value, grads } = variableGrads(() => tf.sum(tf.square(v)) as tf.Scalar, [v]);
      expect(Array.from(await value.data())).toEqual([14]);
      expect(Array.from(await grads[v.name]!.data())).toEqual([2, 4, 6]);
      tf.dispose([value, grads[v.name]!, v]);
    }));

  it("frees what the tape saved when the loss throws", () =>
    onBackend(backend, async () => {
      const v = tf.tidy(() => tf.variable(tf.ones([3])));
      const loss = () => {
        tf.sum(tf.square(tf.exp(v)));
        throw new Error("no label");
      };
      expect(() => variableGrads(loss, [v])).toThrow("no label");
      v.dispose();
    }));
});
