// The updates of SGD and AdamW, running moments and the sum of squares for clipping, as WGSL programs. Same meaning as the WebAssembly
// kernels.
import type { NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { expectShape } from "../geometry";
import { inputOf, sizeOf } from "../heap";
import { MOVING_MOMENTS } from "../normalisation";
import { ADAMW, SGD, SUM_OF_SQUARES } from "../optimiser";
import { EACH, groupsFor, type Program, THREADS, webgpuKernel } from "./program";
import { SUM_LANES } from "./sums";

/** The named inputs, all of the first one's shape. */
function alike(kernel: string, inputs: NamedTensorInfoMap, names: readonly string[]): [TensorInfo, ...TensorInfo[]] {
  const tensors = names.map((name) => inputOf(kernel, inputs, name)) as [TensorInfo, ...TensorInfo[]];
  for (const [i, name] of names.entries()) expectShape(kernel, name, tensors[i]!, tensors[0].shape);
  return tensors;
}

const sgd: Program = {
  name: "sgd",
  inputs: ["parameter", "gradient", "momentum", "gradientScale"],
  outputs: ["nextParameter", "nextMomentum"],
  uniforms: { size: "u32", rate: "f32", friction: "f32", decay: "f32" },
  main: `${EACH} {
    let p = f32(parameter[i]);
    let g = f32(gradientScale[0]) * f32(gradient[i]) + u.decay * p;
    let m = u.friction * f32(momentum[i]) + g;
    nextMomentum[i] = m;
    nextParameter[i] = p - u.rate * m;
  }`,
};

export const webgpuSgd = webgpuKernel(SGD, (gpu, inputs, attrs) => {
  const tensors = alike(SGD, inputs, ["parameter", "gradient", "momentum"]);
  const gradientScale = inputOf(SGD, inputs, "gradientScale");
  const { shape } = tensors[0];
  const size = sizeOf(shape);
  const outputs = [gpu.output(shape), gpu.output(shape)];
  const { learningRate, momentum, weightDecay } = attrs as Record<string, number>;
  gpu.run(sgd, {
    inputs: [...tensors, gradientScale],
    outputs,
    uniforms: { size, rate: learningRate!, friction: momentum!, decay: weightDecay! },
    groups: groupsFor(size),
  });
  return outputs;
});

const adamW: Program = {
  name: "adamw",
  inputs: ["parameter", "gradient", "average", "square", "gradientScale"],
  outputs: ["nextParameter", "nextAverage", "nextSquare"],
  uniforms: {
    size: "u32",
    rate: "f32",
    beta1: "f32",
    rest1: "f32",
    beta2: "f32",
    rest2: "f32",
    unbias: "f32",
    epsilon: "f32",
    keep: "f32",
  },
  main: `${EACH} {
    let g = f32(gradientScale[0]) * f32(gradient[i]);
    let m = u.beta1 * f32(average[i]) + u.rest1 * g;
    let v = u.beta2 * f32(square[i]) + u.rest2 * g * g;
    nextAverage[i] = m;
    nextSquare[i] = v;
    nextParameter[i] = u.keep * f32(parameter[i]) - u.rate * m / (sqrt(v) * u.unbias + u.epsilon);
  }`,
};

export const webgpuAdamW = webgpuKernel(ADAMW, (gpu, inputs, attrs) => {
  const tensors = alike(ADAMW, inputs, ["parameter", "gradient", "mean", "square"]);
  const gradientScale = inputOf(ADAMW, inputs, "gradientScale");
  const { shape } = tensors[0];
  const size = sizeOf(shape);
  const outputs = [gpu.output(shape), gpu.output(shape), gpu.output(shape)];
  const { learningRate, beta1, beta2, epsilon, weightDecay, step } = attrs as Record<string, number>;
  gpu.run(adamW, {
    inputs: [...tensors, gradientScale],
    outputs,
    uniforms: {
      size,
      rate: learningRate! / (1 - beta1! ** step!),
      beta1: beta1!,
      rest1: 1 - beta1!,
      beta2: beta2!,
      rest2: 1 - beta2!,
      unbias: 1 / Math.sqrt(1 - beta2! ** step!),
      epsilon: epsilon!,
      keep: 1 - learningRate! * weightDecay!,
    },
    groups: groupsFor(size),
  });
  return outputs;
});

const moving: Program = {
  name: "moving-moments",
  inputs: ["runningMean", "runningVariance", "average", "variance"],
  outputs: ["nextMean", "nextVariance"],
  uniforms: { size: "u32", keep: "f32", weight: "f32", unbiased: "f32" },
  main: `${EACH} {
    nextMean[i] = u.keep * f32(runningMean[i]) + u.weight * f32(average[i]);
    nextVariance[i] = u.keep * f32(runningVariance[i]) + u.unbiased * f32(variance[i]);
  }`,
};

export const webgpuMovingMoments = webgpuKernel(MOVING_MOMENTS, (gpu, inputs, attrs) => {
  const tensors = alike(MOVING_MOMENTS, inputs, ["runningMean", "runningVariance", "mean", "variance"]);
  const { shape } = tensors[0];
  const size = sizeOf(shape);
  const outputs = [gpu.output(shape), gpu.output(shape)];
  const { momentum, unbias } = attrs as Record<string, number>;
  gpu.run(moving, {
    inputs: tensors,
    outputs,
    uniforms: { size, keep: 1 - momentum!, weight: momentum!, unbiased: momentum! * unbias! },
    groups: groupsFor(size),
  });
  return outputs;
});

// Values that one workgroup sums; those of a thread are few enough for float32.
const CHUNK = 16384;
const chunksOf = (x: TensorInfo) => Math.min(Math.ceil(sizeOf(x.shape) / CHUNK), 1024);

// Workgroup y sums chunks of the y-th input, and writes where those of the inputs before end.
function squaresOf(count: number): Program {
  const each = Array.from({ length: count }, (_, k) => k);
  return {
    name: `sum-of-squares-${count}`,
    inputs: each.map((k) => `x${k}`),
    outputs: ["sums"],
    uniforms: Object.fromEntries(
      each.flatMap((k) => [`size${k}x`, `chunks${k}x`, `at${k}x`].map((name) => [name, "u32"] as const)),
    ),
    functions: SUM_LANES,
    main: `
      var sum = 0.0;
      let own = group.x * ${THREADS}u + local;
      var at = 0u;
      var chunks = 0u;
      ${each
        .map(
          (k) => `if (group.y == ${k}u) {
            at = u.at${k}x;
            chunks = u.chunks${k}x;
            if (group.x < chunks) {
              for (var i = own; i < u.size${k}x; i += chunks * ${THREADS}u) { let v = f32(x${k}[i]); sum += v * v; }
            }
          }`,
        )
        .join("\n")}
      let total = sumLanes(local, 1u, sum);
      if (local == 0u && group.x < chunks) { sums[at + group.x] = total; }
    `,
  };
}

const total: Program = {
  name: "total",
  inputs: ["sums"],
  outputs: ["all"],
  uniforms: { size: "u32" },
  functions: SUM_LANES,
  main: `
    var sum = 0.0;
    ${EACH} { sum += f32(sums[i]); }
    let whole = sumLanes(local, 1u, sum);
    if (local == 0u) { all[0] = whole; }
  `,
};

export const webgpuSumOfSquares = webgpuKernel(SUM_OF_SQUARES, (gpu, inputs) => {
  const tensors = Object.keys(inputs).map((name) => inputOf(SUM_OF_SQUARES, inputs, name));
  if (tensors.length === 0) return gpu.output([], Float32Array.of(0));
  const size = tensors.reduce((sum, x) => sum + chunksOf(x), 0);
  const sums = gpu.scratch(size);
  const most = gpu.mostArrays - 1;
  let at = 0;
  for (let start = 0; start < tensors.length; start += most) {
    const part = tensors.slice(start, start + most);
    const uniforms: Record<string, number> = {};
    for (const [k, x] of part.entries()) {
      uniforms[`size${k}x`] = sizeOf(x.shape);
      uniforms[`chunks${k}x`] = chunksOf(x);
      uniforms[`at${k}x`] = at;
      at += chunksOf(x);
    }
    gpu.run(squaresOf(part.length), {
      inputs: part,
      outputs: [sums],
      uniforms,
      groups: [Math.max(...part.map(chunksOf)), part.length, 1],
    });
  }
  const out = gpu.output([]);
  gpu.run(total, { inputs: [sums], outputs: [out], uniforms: { size }, groups: [1, 1, 1] });
  return out;
});
