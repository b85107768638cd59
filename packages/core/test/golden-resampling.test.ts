// Bilinear resizing and adaptive average pooling against PyTorch; see fixtures/README.md.
import * as tf from "@tensorflow/tfjs-core";
import { describe, it } from "vitest";
import { valuesOf } from "#test/backends";
import { adaptiveAveragePool, resizeBilinear } from "../src";
import { backends, onBackend } from "./backends";
import { expectClose, fromMap, type GoldenArray, golden, toMap } from "./fixtures/golden";

interface ResamplingCase {
  readonly input: GoldenArray;
  readonly output: GoldenArray;
  readonly grad_output: GoldenArray;
  readonly grad_input: GoldenArray;
}

const resizeCases = golden<{ cases: (ResamplingCase & { mode: string })[] }>("interpolate").cases;
const poolCases = golden<{ cases: (ResamplingCase & { output_size: [number, number] })[] }>("adaptive-avg-pool").cases;

describe.each(backends)("on %s", (backend) => {
  it.each(resizeCases.filter(({ mode }) => mode === "bilinear"))(
    "resizeBilinear has the reference's values and gradient, $input.shape to $output.shape",
    ({ input, output, grad_output, grad_input }) =>
      onBackend(backend, async () => {
        const [, , height, width] = output.shape as [number, number, number, number];
        const run = (x: tf.Tensor) => resizeBilinear(x as tf.Tensor4D, [height, width]);
        const [y, dx] = await valuesOf(() => {
          const x = toMap(input);
          return [run(x), tf.grad(run)(x, toMap(grad_output))].map(fromMap);
        });
        expectClose(y!, output.data);
        expectClose(dx!, grad_input.data);
      }),
  );

  it.each(poolCases.filter(({ output_size: [rows, columns] }) => rows === columns))(
    "adaptiveAveragePool has the reference's values and gradient, $input.shape to $output.shape",
    ({ input, output, grad_output, grad_input }) =>
      onBackend(backend, async () => {
        const [batch, channels, n] = output.shape as [number, number, number, number];
        const run = (x: tf.Tensor) => tf.reshape(adaptiveAveragePool(x as tf.Tensor4D, n), [batch, n, n, channels]);
        const [y, dx] = await valuesOf(() => {
          const x = toMap(input);
          return [run(x), tf.grad(run)(x, toMap(grad_output))].map(fromMap);
        });
        expectClose(y!, output.data);
        expectClose(dx!, grad_input.data);
      }),
  );
});
