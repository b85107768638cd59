// Group and batch normalisation against PyTorch; see fixtures/README.md.
import * as tf from "@tensorflow/tfjs-core";
import { describe, it } from "vitest";
import { valuesOf } from "#test/backends";
import { BatchNorm, groupNorm } from "../src";
import { backends, onBackend } from "./backends";
import { expectClose, fromMap, type GoldenArray, golden, largest, toMap, toVector } from "./fixtures/golden";

interface GroupCase {
  readonly num_groups: number;
  readonly eps: number;
  readonly weight: GoldenArray;
  readonly bias: GoldenArray;
  readonly input: GoldenArray;
  readonly output: GoldenArray;
  readonly grad_output: GoldenArray;
  readonly grad_input: GoldenArray;
  readonly grad_weight: GoldenArray;
  readonly grad_bias: GoldenArray;
}

interface BatchStep {
  readonly input: GoldenArray;
  readonly output: GoldenArray;
  readonly grad_output: GoldenArray;
  readonly grad_input: GoldenArray;
  readonly grad_weight: GoldenArray;
  readonly grad_bias: GoldenArray;
  readonly running_mean: GoldenArray;
  readonly running_var: GoldenArray;
}

interface BatchCase {
  readonly eps: number;
  readonly momentum: number;
  readonly weight: GoldenArray;
  readonly bias: GoldenArray;
  readonly running_mean0: GoldenArray;
  readonly running_var0: GoldenArray;
  readonly steps: BatchStep[];
  readonly eval: { readonly input: GoldenArray; readonly output: GoldenArray };
}

const asStored = ({ shape, data }: GoldenArray) => ({ shape, data: Float32Array.from(data) });

describe.each(backends)("on %s", (backend) => {
  it.each(golden<{ cases: GroupCase[] }>("group-norm").cases)(
    "group norm of $num_groups groups has the reference's values and gradients, $input.shape",
    (c) =>
      onBackend(backend, async () => {
        const run = (x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) =>
          groupNorm(x as tf.Tensor4D, scale as tf.Tensor1D, offset as tf.Tensor1D, {
            groups: c.num_groups,
            epsilon: c.eps,
          });
        const [y, dx, dscale, doffset] = await valuesOf(() => {
          const inputs = [toMap(c.input), toVector(c.weight), toVector(c.bias)] as const;
          const [dx, ...others] = tf.grads(run)([...inputs], toMap(c.grad_output));
          return [fromMap(run(...inputs)), fromMap(dx!), ...others];
        });
        expectClose(y!, c.output.data);
        expectClose(dx!, c.grad_input.data, largest(c.grad_output.data));
        expectClose(dscale!, c.grad_weight.data);
        expectClose(doffset!, c.grad_bias.data);
      }),
  );

  it.each(golden<{ cases: BatchCase[] }>("batch-norm").cases)(
    "batch norm has the reference's values, gradients and running moments, $weight.shape channels, momentum $momentum",
    (c) =>
      onBackend(backend, async () => {
        const layer = new BatchNorm(c.weight.data.length, { epsilon: c.eps, momentum: c.momentum });
        layer.loadStateDict(
          new Map([
            ["weight", asStored(c.weight)],
            ["bias", asStored(c.bias)],
            ["runningMean", asStored(c.running_mean0)],
            ["runningVariance", asStored(c.running_var0)],
          ]),
        );
        for (const step of c.steps) {
          const apply = () => fromMap(layer.apply(toMap(step.input), { training: true }));
          const [y, mean, variance] = await valuesOf(() => [apply(), layer.runningMean, layer.runningVariance]);
          expectClose(y!, step.output.data);
          expectClose(mean!, step.running_mean.data);
          expectClose(variance!, step.running_var.data);
        }
        const [y] = await valuesOf(() => [fromMap(layer.apply(toMap(c.eval.input), { training: false }))]);
        expectClose(y!, c.eval.output.data);
        // The running moments do not enter the gradients of a training step.
        for (const step of c.steps) {
          const weighed = (x: tf.Tensor) =>
            tf.sum<tf.Scalar>(tf.mul(layer.apply(x as tf.Tensor4D, { training: true }), toMap(step.grad_output)));
          const [dx, dscale, doffset] = await valuesOf(() => {
            const x = toMap(step.input);
            const { grads } = tf.variableGrads(() => weighed(x));
            return [fromMap(tf.grad(weighed)(x)), grads[layer.weight.name]!, grads[layer.bias.name]!];
          });
          expectClose(dx!, step.grad_input.data, largest(step.grad_output.data));
          expectClose(dscale!, step.grad_weight.data);
          expectClose(doffset!, step.grad_bias.data);
        }
        layer.dispose();
      }),
  );
});
