// A loss that throws half way leaves nothing behind; one that does not gives what TensorFlow.js gives, with less memory on the way.
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { ShapeError, variableGrads } from "../src";
import { backends, onBackend } from "./backends";
import { mixed } from "./check-gradients";

describe.each(backends)("variableGrads on %s", (backend) => {
  const withVariable = (test: (v: tf.Variable) => void | Promise<void>) =>
    onBackend(backend, async () => {
      const v = tf.tidy(() => tf.variable(tf.tensor1d([1, 2, 3])));
      await test(v);
      v.dispose();
    });

  it("gives value and gradients", () =>
    withVariable(async (v) => {
      const { value, grads } = variableGrads(() => tf.sum(tf.square(v)) as tf.Scalar, [v]);
      expect(Array.from(await value.data())).toEqual([14]);
      expect(Array.from(await grads[v.name]!.data())).toEqual([2, 4, 6]);
      tf.dispose([value, grads[v.name]!]);
    }));

  it("gives TensorFlow.js' gradients to the bit, where paths part and meet, and leaves out what is not trained", () =>
    withVariable(async (idle) => {
      const [a, b] = [1, 2].map((phase) => tf.tidy(() => tf.variable(mixed([3, 4], phase)))) as [
        tf.Variable,
        tf.Variable,
      ];
      const fixed = tf.tidy(() => tf.variable(mixed([3, 4], 3), false));
      const loss = () =>
        tf.tidy(() => {
          const product = tf.matMul(tf.sin(a), tf.mul(b, fixed), true); // [4, 4]
          const [left, right] = tf.split(product, 2, 1) as [tf.Tensor, tf.Tensor];
          const joined = tf.concat([tf.mul(left, right), tf.exp(left), tf.addN([right, left, right])], 1);
          return tf.add(tf.mean(tf.square(joined)), tf.sum(tf.mul(a, b))) as tf.Scalar;
        });
      const numbers = async (of: ReturnType<typeof variableGrads>) => {
        const tensors = [of.value, of.grads[a.name]!, of.grads[b.name]!];
        const values = await Promise.all(tensors.map((t) => t.data()));
        tf.dispose(tensors);
        return [values, Object.keys(of.grads)];
      };
      const got = await numbers(variableGrads(loss, [a, b, fixed, idle]));
      expect(got).toEqual(await numbers(tf.variableGrads(loss, [a, b, idle])));
      tf.dispose([a, b, fixed]);
    }));

  it("holds as much in the middle of a long way as in that of a short one", () =>
    withVariable((v) => {
      const heldAtTheEndOf = (steps: number): number => {
        let held = 0;
        const first = tf.customGrad((x) => ({
          value: tf.clone(x as tf.Tensor),
          gradFunc: (dy) => {
            held = tf.memory().numTensors;
            return tf.clone(dy as tf.Tensor);
          },
        }));
        const before = tf.memory().numTensors;
        const chain = () => Array.from({ length: steps }).reduce((x: tf.Tensor) => tf.sin(x), first(v));
        const { value, grads } = variableGrads(() => tf.sum(chain()) as tf.Scalar, [v]);
        tf.dispose([value, grads[v.name]!]);
        return held - before;
      };
      expect(heldAtTheEndOf(40)).toBe(heldAtTheEndOf(4));
    }));

  it("frees no tensor of others that a gradient hands on", () =>
    withVariable(async (v) => {
      const outside = tf.tensor1d([1, 1, 1]);
      const pass = tf.customGrad((x, y) => ({
        value: tf.add(x as tf.Tensor, y as tf.Tensor),
        gradFunc: (dy) => [dy as tf.Tensor, dy as tf.Tensor], // its own argument, twice
      }));
      const constant = tf.customGrad((x) => ({ value: tf.clone(x as tf.Tensor), gradFunc: () => outside }));
      const same = (x: tf.Tensor) => tf.add(constant(x), pass(x, tf.square(x)));
      const { value, grads } = variableGrads(() => tf.sum(same(v)) as tf.Scalar, [v]);
      expect(Array.from(await grads[v.name]!.data())).toEqual([4, 6, 8]); // 1 + 1 + 2x
      expect(outside.isDisposed).toBe(false);
      tf.dispose([outside, value, grads[v.name]!]);
    }));

  it("frees what the tape saved when the loss throws", () =>
    withVariable((v) => {
      const loss = () => {
        tf.sum(tf.square(tf.exp(v)));
        throw new Error("no label");
      };
      expect(() => variableGrads(loss, [v])).toThrow("no label");
    }));

  it("refuses a loss that is no scalar, that no variable enters, or that cannot be differentiated", () =>
    withVariable((v) => {
      expect(() => variableGrads(() => tf.square(v) as unknown as tf.Scalar, [v])).toThrow(ShapeError);
      expect(() => variableGrads(() => tf.scalar(1), [v])).toThrow(/depends on none/);
      expect(() => variableGrads(() => tf.sum(tf.reverse(tf.topk(v, 2).indices)) as tf.Scalar, [v])).toThrow(
        /has no gradient/,
      );
      const wrong = tf.customGrad((x) => ({ value: tf.clone(x as tf.Tensor), gradFunc: () => tf.scalar(1) }));
      expect(() => variableGrads(() => tf.sum(wrong(v)) as tf.Scalar, [v])).toThrow(/must be float32 \[3\]/);
    }));
});
