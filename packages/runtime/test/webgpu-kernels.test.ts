// What is registered for webgpu: the programs on sizes that take several workgroups, against the WebAssembly kernels, and how many
// dispatches each takes. Small sizes are in the specifications of the operations.
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { registerWebgpuKernels } from "../src";
import {
  type Attrs,
  expectClose,
  FUSED_BACKENDS,
  type Input,
  integers,
  kernelOutputs,
  onWasm,
  seeded,
  uniform,
  useBackend,
} from "./harness";

const webgpu = FUSED_BACKENDS.find(({ name }) => name === "webgpu")!;
const on = (kernel: string, inputs: Record<string, Input>, attrs: Attrs = {}) =>
  kernelOutputs("webgpu", kernel, inputs, attrs);

async function expectAsOnWasm(kernel: string, inputs: Record<string, Input>, attrs: Attrs = {}): Promise<Input[]> {
  const expected = onWasm(kernel, inputs, attrs);
  const got = await on(kernel, inputs, attrs);
  expect(got).toHaveLength(expected.length);
  for (const [i, output] of got.entries()) expectClose(output, expected[i]!, 1e-5);
  return got;
}

interface Recording {
  recordAndSubmit?: (...call: unknown[]) => void;
}

async function countDispatches(run: () => Promise<unknown>): Promise<number> {
  const backend = tf.findBackend("webgpu") as unknown as Recording;
  const original = backend.recordAndSubmit!;
  let count = 0;
  backend.recordAndSubmit = (...call) => {
    count++;
    original.apply(backend, call);
  };
  // What the backend inherits is there again.
  await run().finally(() => delete backend.recordAndSubmit);
  return count;
}

// 8000 rows are several chunks, 40 channels two tiles, both with a rest.
const SHAPE = [2, 80, 50, 40];
const CHANNELS = 40;

function normInputs(seed: number) {
  const random = seeded(seed);
  const [x, residual, dy] = [uniform(random, SHAPE), uniform(random, SHAPE), uniform(random, SHAPE)];
  return { x, residual, dy, scale: uniform(random, [CHANNELS]), offset: uniform(random, [CHANNELS]) };
}

it("registers for webgpu without its package, and once", () => {
  registerWebgpuKernels();
  const kernels = tf.getKernelsForBackend("webgpu").filter(({ kernelName }) => kernelName.startsWith("Caddet"));
  expect(kernels.map(({ kernelName }) => kernelName).sort()).toEqual([
    "CaddetAdamW",
    "CaddetBatchNorm",
    "CaddetBatchNormGrad",
    "CaddetGatedSum",
    "CaddetGatedSumGrad",
    "CaddetGroupNorm",
    "CaddetGroupNormGrad",
    "CaddetLeanBatchNorm",
    "CaddetLeanBatchNormGrad",
    "CaddetMovingMoments",
    "CaddetSgd",
    "CaddetSumOfSquares",
  ]);
  registerWebgpuKernels();
  for (const kernel of kernels) expect(tf.getKernel(kernel.kernelName, "webgpu")).toBe(kernel);
});

it("refuses a backend of another package", () => {
  const { kernelFunc } = tf.getKernel("CaddetSgd", "webgpu")!;
  expect(() => kernelFunc({ inputs: {}, backend: {} })).toThrow(/expected the one of @tensorflow\/tfjs-backend-webgpu/);
});

describe.skipIf(!webgpu.present)("on webgpu", () => {
  beforeAll(() => useBackend(webgpu));

  it("registers AddN once", () => {
    const present = tf.getKernel("AddN", "webgpu");
    registerWebgpuKernels();
    expect(tf.getKernel("AddN", "webgpu")).toBe(present);
  });

  it.each([
    { relu: true, hasResidual: true },
    { relu: true, hasResidual: false },
    { relu: false, hasResidual: true },
  ])("CaddetBatchNorm over chunks and tiles (relu: $relu, residual: $hasResidual)", async ({ relu, hasResidual }) => {
    const { x, residual, dy, scale, offset } = normInputs(1);
    const attrs = { epsilon: 1e-5, activation: relu ? "relu" : "linear", residual: hasResidual };
    const inputs = { x, scale, offset, ...(hasResidual ? { residual } : {}) };
    const [y, mean, variance] = (await expectAsOnWasm("CaddetBatchNorm", inputs, attrs)) as [Input, Input, Input];
    const saved = { dy, x, y, scale, mean, variance };
    const gradients = await expectAsOnWasm("CaddetBatchNormGrad", saved, attrs);
    expect(await on("CaddetBatchNormGrad", saved, attrs)).toEqual(gradients);
  });

  it.each(["relu", "linear"])("CaddetLeanBatchNorm over chunks and tiles (%s)", async (activation) => {
    const { x, dy, scale, offset } = normInputs(7);
    const attrs = { epsilon: 1e-5, activation };
    const [y, mean, variance] = (await expectAsOnWasm("CaddetLeanBatchNorm", { x, scale, offset }, attrs)) as [
      Input,
      Input,
      Input,
    ];
    const gradients = await expectAsOnWasm("CaddetLeanBatchNormGrad", { dy, x, scale, offset, mean, variance }, attrs);
    const byOutput = { dy, x, y, scale, mean, variance };
    expect(await on("CaddetBatchNormGrad", byOutput, { ...attrs, residual: false })).toEqual(gradients);
  });

  it.each([1, 5, 40])("CaddetGroupNorm over chunks and tiles, %d groups", async (groups) => {
    const { x, dy, scale, offset } = normInputs(2);
    const attrs = { epsilon: 1e-5, activation: "relu", groups };
    const [y, mean, variance] = (await expectAsOnWasm("CaddetGroupNorm", { x, scale, offset }, attrs)) as [
      Input,
      Input,
      Input,
    ];
    await expectAsOnWasm("CaddetGroupNormGrad", { dy, x, y, scale, mean, variance }, attrs);
  });

  it.each([1, 3, 6, 7, 13])("CaddetGatedSum over chunks and dispatches, %d maps", async (paths) => {
    const random = seeded(paths);
    const gates = uniform(random, [2, paths]);
    const maps = Object.fromEntries(Array.from({ length: paths }, (_, k) => [`x${k}`, uniform(random, SHAPE)]));
    await expectAsOnWasm("CaddetGatedSum", { gates, ...maps });
    await expectAsOnWasm("CaddetGatedSumGrad", { dy: uniform(random, SHAPE), gates, ...maps });
  });

  it("CaddetAdamW takes the WebAssembly kernel's step", async () => {
    const random = seeded(4);
    const shape = [3, 7, 100];
    const square = uniform(random, shape);
    square.values = Float32Array.from(square.values, Math.abs);
    await expectAsOnWasm(
      "CaddetAdamW",
      {
        parameter: uniform(random, shape),
        gradient: uniform(random, shape),
        mean: uniform(random, shape),
        square,
        gradientScale: { values: Float32Array.of(0.5), shape: [] },
      },
      { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, step: 3 },
    );
  });

  it("CaddetSumOfSquares takes more inputs than a program binds, and none", async () => {
    const random = seeded(5);
    const shapes = Array.from({ length: 20 }, (_, k) => (k % 6 === 4 ? [50, 1000] : [k + 1, 3]));
    await expectAsOnWasm(
      "CaddetSumOfSquares",
      Object.fromEntries(shapes.map((shape, k) => [`x${k}`, uniform(random, shape)])),
    );
    expect(await on("CaddetSumOfSquares", {})).toEqual([{ values: Float32Array.of(0), shape: [] }]);
  });

  it.each([1, 7, 8, 14, 30])("AddN sums %d tensors", async (count) => {
    tf.setBackend("webgpu");
    const ones = tf.tidy(() => tf.add(tf.ones([400]), tf.zeros([400])));
    const kept = tf.memory().numTensors;
    const sum = tf.addN(Array.from({ length: count }, () => ones));
    expect(new Set(await sum.data())).toEqual(new Set([count]));
    sum.dispose();
    expect(tf.memory().numTensors).toBe(kept);
    ones.dispose();
  });

  it("keeps NaN in the values behind a ReLU", async () => {
    const x = uniform(seeded(6), [4, 2]);
    x.values[2] = Number.NaN;
    const ones = { values: Float32Array.of(1, 1), shape: [2] };
    const attrs = { epsilon: 1e-5, activation: "relu" };
    const [y] = await on("CaddetBatchNorm", { x, scale: ones, offset: ones }, attrs);
    expect(Array.from(y!.values, Number.isNaN)).toEqual([true, false, true, false, true, false, true, false]);
  });

  it("takes integers that were cast, whose buffer still holds integers", async () => {
    tf.setBackend("webgpu");
    const whole = tf.tensor2d([1, 2, 3, 4], [2, 2], "int32");
    const doubled = tf.mul(whole, tf.scalar(2, "int32"));
    const cast = tf.cast(doubled, "float32");
    const sum = tf.engine().runKernel("CaddetSumOfSquares", { x0: cast }) as tf.Tensor;
    expect(Array.from(await sum.data())).toEqual([4 * 30]);
    tf.dispose([whole, doubled, cast, sum]);
  });

  it("refuses empty and integer inputs by name", async () => {
    const parameter = { values: new Float32Array(0), shape: [0, 3] };
    await expect(on("CaddetSgd", { parameter })).rejects.toThrow(/'parameter' of shape \[0,3\]; expected at least one/);
    await expect(on("CaddetSumOfSquares", { x0: integers([1]) })).rejects.toThrow(/int32 for input 'x0'/);
  });

  it("takes few dispatches", async () => {
    const { x, residual, dy, scale, offset } = normInputs(3);
    const maps = { x0: x, x1: residual, x2: dy };
    const gates = uniform(seeded(7), [2, 3]);
    const one = { values: Float32Array.of(1), shape: [] };
    const attrs = { epsilon: 1e-5, activation: "relu", residual: true };
    const moments = { mean: scale, variance: { ...offset, values: Float32Array.from(offset.values, Math.abs) } };
    const counted = async (kernel: string, inputs: Record<string, Input>, given: Attrs = {}) =>
      countDispatches(() => on(kernel, inputs, given));
    expect({
      norm: await counted("CaddetBatchNorm", { x, scale, offset, residual }, attrs),
      normGrad: await counted("CaddetBatchNormGrad", { dy, x, y: residual, scale, ...moments }, attrs),
      moments: await counted(
        "CaddetMovingMoments",
        { runningMean: scale, runningVariance: scale, ...moments },
        { momentum: 0.1, unbias: 1 },
      ),
      gatedSum: await counted("CaddetGatedSum", { gates, ...maps }),
      gatedSumGrad: await counted("CaddetGatedSumGrad", { dy, gates, ...maps }),
      sgd: await counted(
        "CaddetSgd",
        { parameter: x, gradient: dy, momentum: residual, gradientScale: one },
        { learningRate: 0.1, momentum: 0.9, weightDecay: 0 },
      ),
      squares: await counted("CaddetSumOfSquares", maps),
    }).toEqual({ norm: 2, normGrad: 2, moments: 1, gatedSum: 1, gatedSumGrad: 3, sgd: 1, squares: 2 });
  });
});
