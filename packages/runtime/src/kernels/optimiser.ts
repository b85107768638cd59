// SGD's update and the sum of squares for clipping: kernels of our own.
import { expectShape } from "./geometry";
import { addressOf, inputOf, makeOutput, sizeOf, wasmKernel } from "./heap";

/**
 * Inputs `parameter`, `gradient`, `momentum` of one shape, `gradientScale []`; attributes `learningRate`, `momentum`,
 * `weightDecay` → the next parameter and momentum, as PyTorch's SGD has them.
 */
export const SGD = "CaddetSgd";
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
