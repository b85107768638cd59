// The updates of SGD and AdamW, and the sum of squares for clipping: kernels of our own.
import { expectShape } from "./geometry";
import { addressOf, inputOf, makeOutput, sizeOf, wasmKernel } from "./heap";

/**
 * Inputs `parameter`, `gradient`, `momentum` of one shape, `gradientScale []`; attributes `learningRate`, `momentum`,
 * `weightDecay` → the next parameter and momentum, as PyTorch's SGD has them.
 */
export const SGD = "CaddetSgd";
/**
 * Inputs `parameter`, `gradient`, `mean`, `square` of one shape, `gradientScale []`; attributes `learningRate`, `beta1`, `beta2`,
 * `epsilon`, `weightDecay`, `step` (from 1) → the next parameter, mean and square, as PyTorch's AdamW has them.
 */
export const ADAMW = "CaddetAdamW";
/** Inputs `x0` .. of any shapes → `[]`, the sum of all squares. */
export const SUM_OF_SQUARES = "CaddetSumOfSquares";

export const sgdKernel = wasmKernel(SGD, (heap, inputs, attrs) => {
  const parameter = inputOf(SGD, inputs, "parameter");
  const gradient = inputOf(SGD, inputs, "gradient");
  const momentum = inputOf(SGD, inputs, "momentum");
  const gradientScale = inputOf(SGD, inputs, "gradientScale");
  expectShape(SGD, "gradient", gradient, parameter.shape);
  expectShape(SGD, "momentum", momentum, parameter.shape);
  const nextParameter = makeOutput(heap, parameter.shape);
  const nextMomentum = makeOutput(heap, parameter.shape);
  heap.exports.sgd(
    addressOf(heap, parameter),
    addressOf(heap, gradient),
    addressOf(heap, momentum),
    addressOf(heap, nextParameter),
    addressOf(heap, nextMomentum),
    sizeOf(parameter.shape),
    addressOf(heap, gradientScale),
    attrs.learningRate as number,
    attrs.momentum as number,
    attrs.weightDecay as number,
  );
  return [nextParameter, nextMomentum];
});

export const adamWKernel = wasmKernel(ADAMW, (heap, inputs, attrs) => {
  const parameter = inputOf(ADAMW, inputs, "parameter");
  const [gradient, mean, square] = ["gradient", "mean", "square"].map((name) => {
    const input = inputOf(ADAMW, inputs, name);
    expectShape(ADAMW, name, input, parameter.shape);
    return addressOf(heap, input);
  }) as [number, number, number];
  const gradientScale = inputOf(ADAMW, inputs, "gradientScale");
  const next = [0, 1, 2].map(() => makeOutput(heap, parameter.shape));
  const { learningRate, beta1, beta2, epsilon, weightDecay, step } = attrs as Record<string, number>;
  heap.exports.adamW(
    addressOf(heap, parameter),
    gradient,
    mean,
    square,
    addressOf(heap, next[0]!),
    addressOf(heap, next[1]!),
    addressOf(heap, next[2]!),
    sizeOf(parameter.shape),
    addressOf(heap, gradientScale),
    learningRate! / (1 - beta1! ** step!),
    beta1!,
    beta2!,
    1 / Math.sqrt(1 - beta2! ** step!),
    epsilon!,
    1 - learningRate! * weightDecay!,
  );
  return next;
});

export const sumOfSquaresKernel = wasmKernel(SUM_OF_SQUARES, (heap, inputs) => {
  const names = Object.keys(inputs);
  const total = names.reduce((sum, name) => {
    const x = inputOf(SUM_OF_SQUARES, inputs, name);
    return sum + heap.exports.sumOfSquares(addressOf(heap, x), sizeOf(x.shape));
  }, 0);
  const out = makeOutput(heap, []);
  heap.exports.fill(addressOf(heap, out), 1, total);
  return out;
});
