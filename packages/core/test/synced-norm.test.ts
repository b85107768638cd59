import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { backends as present } from "#test/backends";
import { BatchNorm, batchNorm, ConfigError, type ReduceSum, syncedBatchNorm } from "../src";
import { backends, onBackend } from "./backends";
import { mixed } from "./check-gradients";

const HALF = [1, 3, 2, 4];

/**
 * A second process that is not there: what it would add to each sum, found by normalising its batch with that of the first.
 * Both have batches [1, 3, 2, 4]; sums come in the order count and means, count and squares, then the gradients' sums.
 */
function partnerOf(own: tf.Tensor4D, other: tf.Tensor4D, dys: { own: tf.Tensor; other: tf.Tensor }): ReduceSum {
  const whole = tf.tidy(() => {
    const both = tf.concat([own, other]);
    const { mean, variance } = tf.moments(both, [0, 1, 2]);
    const inverse = tf.rsqrt(tf.add(variance, 1e-5));
    const of = (x: tf.Tensor4D, dy: tf.Tensor) => ({
      mean: tf.mean(x, [0, 1, 2]).dataSync<"float32">(),
      squares: tf.mean(tf.squaredDifference(x, mean), [0, 1, 2]).dataSync<"float32">(),
      offset: tf.sum(dy, [0, 1, 2]).dataSync<"float32">(),
      scale: tf.sum(tf.mul(dy, tf.mul(tf.sub(x, mean), inverse)), [0, 1, 2]).dataSync<"float32">(),
    });
    return of(other, dys.other);
  });
  const count = other.size / 4;
  const sums = [
    [count, ...whole.mean.map((v) => v * count)],
    [count, ...whole.squares.map((v) => v * count)],
    [...whole.offset, ...whole.scale],
  ];
  let call = 0;
  return (values) => {
    const added = sums[call++]!;
    expect(values.length).toBe(added.length);
    for (const [i, v] of added.entries()) values[i]! += v;
  };
}

const close = (got: tf.Tensor, want: tf.Tensor, digits = 4) => {
  const expected = want.dataSync();
  expect(got.shape).toEqual(want.shape);
  for (const [i, v] of got.dataSync().entries()) expect(v).toBeCloseTo(expected[i]!, digits);
};

describe.each(backends)("syncedBatchNorm on %s", (backend) => {
  it.each(["linear", "relu"] as const)("with %s is batchNorm of both batches as one, gradients too", (activation) =>
    onBackend(backend, async () => {
      tf.tidy(() => {
        // Far from 0: the variance must not get lost beside the square of the mean.
        const x = tf.add(mixed([2, ...HALF.slice(1)]), 30) as tf.Tensor4D;
        const [scale, offset] = [mixed([4], 1), mixed([4], 3)] as [tf.Tensor1D, tf.Tensor1D];
        const residual = mixed(x.shape, 5) as tf.Tensor4D;
        const weights = mixed(x.shape, 2);
        const halves = (t: tf.Tensor) => tf.split(t, 2) as [tf.Tensor4D, tf.Tensor4D];
        const run = (norm: typeof batchNorm) => (x: tf.Tensor, s: tf.Tensor, o: tf.Tensor, r: tf.Tensor) =>
          norm(x as tf.Tensor4D, s as tf.Tensor1D, o as tf.Tensor1D, { activation, residual: r as tf.Tensor4D });
        const whole = run(batchNorm)(x, scale, offset, residual);
        const wanted = tf.grads((...all) =>
          tf.sum(tf.mul(run(batchNorm)(...(all as Parameters<ReturnType<typeof run>>)).y, weights)),
        )([x, scale, offset, residual]);
        // The gradient that comes out of the activation, which the absent process would sum.
        const dys = tf.mul(weights, activation === "relu" ? tf.step(whole.y) : 1);
        const [own, other] = halves(x);
        const [ownDy, otherDy] = halves(tf.mul(dys, tf.onesLike(x)));
        const moments: tf.Tensor[] = [];
        let count = 0;
        const reduce = partnerOf(own, other, { own: ownDy, other: otherDy });
        const got = tf.grads((x, s, o, r) => {
          const options = { activation, residual: r as tf.Tensor4D, reduce };
          const out = syncedBatchNorm(x as tf.Tensor4D, s as tf.Tensor1D, o as tf.Tensor1D, options);
          moments.push(tf.keep(out.y), tf.keep(out.mean), tf.keep(out.variance));
          count = out.count;
          return tf.sum(tf.mul(out.y, halves(weights)[0]));
        })([own, scale, offset, halves(residual)[0]]);
        const [y, mean, variance] = moments as [tf.Tensor, tf.Tensor, tf.Tensor];
        close(y, halves(whole.y)[0], 3);
        close(mean, whole.mean, 4);
        close(variance, whole.variance, 4);
        expect(count).toBe(x.size / 4);
        close(got[0]!, halves(wanted[0]!)[0], 3);
        close(got[3]!, halves(wanted[3]!)[0]);
        // Scale and offset: the other process has the rest.
        close(got[2]!, tf.sum(ownDy, [0, 1, 2]));
        tf.dispose(moments);
      });
    }),
  );

  it("alone is batchNorm, and the layer follows the moments of all", () =>
    onBackend(backend, async () => {
      const x = mixed([2, 3, 2, 4]) as tf.Tensor4D;
      const [plain, synced] = [new BatchNorm(4), new BatchNorm(4)];
      const lengths: number[] = [];
      synced.reduce = (values) => {
        lengths.push(values.length);
      };
      const outputs = [plain, synced].map((norm) => norm.apply(x, { training: true, activation: "relu" }));
      close(outputs[1]!, outputs[0]!);
      close(synced.runningMean, plain.runningMean, 6);
      close(synced.runningVariance, plain.runningVariance, 6);
      const evaluated = [plain, synced].map((norm) => norm.apply(x, { training: false }));
      close(evaluated[1]!, evaluated[0]!);
      expect(lengths).toEqual([5, 5]);
      tf.dispose([x, ...outputs, ...evaluated]);
      plain.dispose();
      synced.dispose();
    }));
});

describe.skipIf(!present.includes("webgpu"))("batch normalisation across processes on webgpu", () => {
  it("fails by a message that says so, and leaves nothing", () =>
    onBackend("webgpu", () => {
      const inputs = [mixed([2, 3, 2, 4]), mixed([4]), mixed([4])] as [tf.Tensor4D, tf.Tensor1D, tf.Tensor1D];
      const run = () => tf.tidy(() => syncedBatchNorm(...inputs, { reduce: () => {} }).y);
      expect(run).toThrow(ConfigError);
      expect(run).toThrow(/^Batch normalisation across processes reads within the pass.*Choose another backend/);
      tf.dispose(inputs);
    }));
});
