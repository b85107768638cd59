import { beforeAll, describe, expect, it } from "vitest";
import {
  type Attrs,
  expectClose,
  FUSED_BACKENDS,
  type Input,
  kernelOutputs,
  onWasm,
  seeded,
  sizeOf,
  uniform,
  useBackend,
  useWasm,
} from "./harness";

beforeAll(useWasm);

interface Problem {
  images: number;
  rows: number;
  channels: number;
  groups: number;
  relu: boolean;
}

const EPSILON = 1e-5;

/** y, mean and variance in double precision, by the definition. */
function reference(
  { images, rows, channels, groups, relu }: Problem,
  x: ArrayLike<number>,
  scale: ArrayLike<number>,
  offset: ArrayLike<number>,
  residual?: ArrayLike<number>,
) {
  const perGroup = channels / groups;
  const mean = new Float64Array(images * groups);
  const variance = new Float64Array(images * groups);
  const y = new Float64Array(images * rows * channels);
  for (let b = 0; b < images; b++) {
    const at = (r: number, c: number) => (b * rows + r) * channels + c;
    for (let g = 0; g < groups; g++) {
      let sum = 0;
      let squares = 0;
      for (let r = 0; r < rows; r++) for (let c = g * perGroup; c < (g + 1) * perGroup; c++) sum += x[at(r, c)]!;
      const average = sum / (rows * perGroup);
      for (let r = 0; r < rows; r++) {
        for (let c = g * perGroup; c < (g + 1) * perGroup; c++) squares += (x[at(r, c)]! - average) ** 2;
      }
      mean[b * groups + g] = average;
      variance[b * groups + g] = squares / (rows * perGroup);
      for (let r = 0; r < rows; r++) {
        for (let c = g * perGroup; c < (g + 1) * perGroup; c++) {
          const normal = (x[at(r, c)]! - average) / Math.sqrt(squares / (rows * perGroup) + EPSILON);
          const value = scale[c]! * normal + offset[c]! + (residual?.[at(r, c)] ?? 0);
          y[at(r, c)] = relu ? Math.max(value, 0) : value;
        }
      }
    }
  }
  return { y, mean, variance };
}

/** Central differences of sum(dy · y), of which `values` are the variables. */
function differences(values: Input, loss: (changed: Float64Array) => number): Float64Array {
  const step = 1e-5;
  const point = Float64Array.from(values.values);
  return point.map((value, i) => {
    point[i] = value + step;
    const above = loss(point);
    point[i] = value - step;
    const below = loss(point);
    point[i] = value;
    return (above - below) / (2 * step);
  });
}

interface Norm {
  kernel: string;
  gradient: string;
  problems: Problem[];
  shapes(problem: Problem): { x: number[]; statistics: number[] };
  attrs(problem: Problem): Attrs;
}

const problem = (images: number, rows: number, channels: number, groups: number, relu: boolean): Problem => ({
  images,
  rows,
  channels,
  groups,
  relu,
});

const norms: Norm[] = [
  {
    kernel: "CaddetBatchNorm",
    gradient: "CaddetBatchNormGrad",
    problems: [
      problem(1, 12, 4, 4, true),
      problem(1, 9, 19, 19, false),
      problem(1, 300, 1, 1, true),
      problem(1, 33, 7, 7, true),
    ],
    shapes: ({ rows, channels }) => ({ x: [rows, channels], statistics: [channels] }),
    attrs: ({ relu }) => ({ epsilon: EPSILON, activation: relu ? "relu" : "linear" }),
  },
  {
    kernel: "CaddetGroupNorm",
    gradient: "CaddetGroupNormGrad",
    problems: [
      problem(2, 12, 8, 4, true),
      problem(3, 6, 6, 2, false),
      problem(1, 20, 5, 1, true),
      problem(2, 9, 24, 3, true),
    ],
    shapes: ({ images, rows, channels, groups }) => ({
      x: [images, rows / 3, 3, channels],
      statistics: [images, groups],
    }),
    attrs: ({ relu, groups }) => ({ epsilon: EPSILON, activation: relu ? "relu" : "linear", groups }),
  },
];
// 20 rows are not a multiple of 3.
norms[1]!.problems[2]!.rows = 21;

for (const backend of FUSED_BACKENDS) {
  describe.skipIf(!backend.present)(`on ${backend.name}`, () => {
    beforeAll(() => useBackend(backend));
    const on = (kernel: string, inputs: Record<string, Input>, attrs: Attrs) =>
      kernelOutputs(backend.tfBackend, kernel, inputs, attrs);

    describe.each(norms)("$kernel", ({ kernel, gradient, problems, shapes, attrs }) => {
      it.each(problems)("agrees with double precision and finite differences: %o", async (problem) => {
        const random = seeded(problem.rows + problem.channels);
        const { x: shape, statistics } = shapes(problem);
        const x = uniform(random, shape);
        const scale = uniform(random, [problem.channels]);
        const offset = uniform(random, [problem.channels]);
        const dy = uniform(random, shape);
        const expected = reference(problem, x.values, scale.values, offset.values);
        const [y, mean, variance] = await on(kernel, { x, scale, offset }, attrs(problem));
        expectClose(y!, { values: expected.y, shape });
        expectClose(mean!, { values: expected.mean, shape: statistics });
        expectClose(variance!, { values: expected.variance, shape: statistics });

        const saved = { dy, x, y: y!, scale, mean: mean!, variance: variance! };
        const outputs = await on(gradient, saved, { ...attrs(problem), residual: false });
        expect(outputs).toHaveLength(3);
        const weigh = (result: { y: Float64Array }) =>
          result.y.reduce((sum, value, i) => sum + value * dy.values[i]!, 0);
        const dx = differences(x, (v) => weigh(reference(problem, v, scale.values, offset.values)));
        const dscale = differences(scale, (v) => weigh(reference(problem, x.values, v, offset.values)));
        const doffset = differences(offset, (v) => weigh(reference(problem, x.values, scale.values, v)));
        expectClose(outputs[0]!, { values: dx, shape });
        expectClose(outputs[1]!, { values: dscale, shape: [problem.channels] });
        expectClose(outputs[2]!, { values: doffset, shape: [problem.channels] });
      });

      it.skipIf(kernel !== "CaddetBatchNorm" || backend.name === "tfjs-node").each(problems)(
        "is the same to the bit with a gradient that is not given y: %o",
        async (problem) => {
          const random = seeded(problem.rows);
          const { x: shape } = shapes(problem);
          const [x, dy] = [uniform(random, shape), uniform(random, shape)];
          const [scale, offset] = [uniform(random, [problem.channels]), uniform(random, [problem.channels])];
          // Many values end where the ReLU has its corner, on either side of it.
          for (let i = 0; i < x.values.length; i++) x.values[i] = Math.fround(Math.round(x.values[i]! * 2) / 3);
          const [y, mean, variance] = await on(kernel, { x, scale, offset }, attrs(problem));
          for (let c = 0; c < problem.channels; c++) {
            const factor = scale.values[c]! / Math.sqrt(variance!.values[c]! + EPSILON);
            offset.values[c] = -factor * (x.values[c]! - mean!.values[c]!);
          }
          const outputs = await on(kernel, { x, scale, offset }, attrs(problem));
          expect(await on("CaddetLeanBatchNorm", { x, scale, offset }, attrs(problem))).toEqual(outputs);
          const moments = { mean: outputs[1]!, variance: outputs[2]! };
          const byOutput = { dy, x, y: outputs[0]!, scale, ...moments };
          const wanted = await on(gradient, byOutput, { ...attrs(problem), residual: false });
          const lean = { dy, x, scale, offset, ...moments };
          expect(await on("CaddetLeanBatchNormGrad", lean, attrs(problem))).toEqual(wanted);
          expect(y!.shape).toEqual(shape);
        },
      );

      it("keeps its digits when the mean is a thousand deviations", async () => {
        const large = { ...problems[0]!, rows: 600 };
        const random = seeded(8);
        const { x: shape, statistics } = shapes(large);
        const x = uniform(random, shape);
        x.values = Float32Array.from(x.values, (value) => value + 1000);
        const ones = { values: new Float32Array(large.channels).fill(1), shape: [large.channels] };
        const zeros = { values: new Float32Array(large.channels), shape: [large.channels] };
        const [y, , variance] = await on(
          kernel,
          { x, scale: ones, offset: zeros },
          { ...attrs(large), activation: "linear" },
        );
        const expected = reference({ ...large, relu: false }, x.values, ones.values, zeros.values);
        // libtensorflow sums in float32, where the mean has three digits behind the point.
        const tolerance = backend.name === "tfjs-node" ? 2e-3 : 1e-4;
        expectClose(variance!, { values: expected.variance, shape: statistics }, tolerance);
        expectClose(y!, { values: expected.y, shape }, tolerance);
      });

      it("refuses another activation", async () => {
        const random = seeded(1);
        const { x: shape } = shapes(problems[0]!);
        const channels = uniform(random, [problems[0]!.channels]);
        const inputs = { x: uniform(random, shape), scale: channels, offset: channels };
        await expect(on(kernel, inputs, { ...attrs(problems[0]!), activation: "gelu" })).rejects.toThrow(
          /'linear' or 'relu'/,
        );
      });
    });

    describe("the residual of CaddetBatchNorm", () => {
      it.each([true, false])("is added before the activation (relu: %s) and has a gradient", async (relu) => {
        const random = seeded(6);
        const own = problem(1, 2 * 3 * 5, 9, 9, relu);
        const shape = [2, 3, 5, 9];
        const [x, residual, dy] = [uniform(random, shape), uniform(random, shape), uniform(random, shape)];
        const [scale, offset] = [uniform(random, [9]), uniform(random, [9])];
        const attrs = { epsilon: EPSILON, activation: relu ? "relu" : "linear" };
        const [y, mean, variance] = await on("CaddetBatchNorm", { x, scale, offset, residual }, attrs);
        const expected = reference(own, x.values, scale.values, offset.values, residual.values);
        expectClose(y!, { values: expected.y, shape });
        const saved = { dy, x, y: y!, scale, mean: mean!, variance: variance! };
        const [dx, , , dresidual] = await on("CaddetBatchNormGrad", saved, { ...attrs, residual: true });
        const weigh = (result: { y: Float64Array }) =>
          result.y.reduce((sum, value, i) => sum + value * dy.values[i]!, 0);
        const loss = (a: ArrayLike<number>, b: ArrayLike<number>) =>
          weigh(reference(own, a, scale.values, offset.values, b));
        expectClose(dx!, { values: differences(x, (v) => loss(v, residual.values)), shape });
        expectClose(dresidual!, { values: differences(residual, (v) => loss(x.values, v)), shape });
      });
    });

    it("CaddetMovingMoments moves the running moments by their weights", async () => {
      const random = seeded(11);
      const [runningMean, runningVariance, mean, variance] = [0, 1, 2, 3].map(() => uniform(random, [7])) as [
        Input,
        Input,
        Input,
        Input,
      ];
      const inputs = { runningMean, runningVariance, mean, variance };
      const [nextMean, nextVariance] = await on("CaddetMovingMoments", inputs, { momentum: 0.1, unbias: 1.25 });
      const moved = (old: Input, own: Input, weight: number) => ({
        values: Array.from(old.values, (value, c) => 0.9 * value + weight * own.values[c]!),
        shape: [7],
      });
      expectClose(nextMean!, moved(runningMean, mean, 0.1), 1e-6);
      expectClose(nextVariance!, moved(runningVariance, variance, 0.125), 1e-6);
    });
  });
}

describe("CaddetGroupNorm on wasm", () => {
  it("refuses groups that do not divide the channels", () => {
    const random = seeded(2);
    const channels = uniform(random, [6]);
    const inputs = { x: uniform(random, [1, 2, 2, 6]), scale: channels, offset: channels };
    expect(sizeOf(inputs.x.shape)).toBe(24);
    expect(() => onWasm("CaddetGroupNorm", inputs, { groups: 4, epsilon: EPSILON })).toThrow(/4 groups for 6 channels/);
  });
});
