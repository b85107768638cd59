// The layers that backbone and heads share, as ONNX nodes on maps [B, C, H, W]. Weights come folded (weights.ts).
import type { Scope, Value } from "./graph";
import { convWeights, depthwiseWeights, EPSILON, type Weights } from "./weights";

const around = (kernel: number): number[] => Array<number>(4).fill((kernel - 1) / 2);

/** Options of {@link convolve}. */
export interface ConvolveOptions {
  /** Of the batch norm behind it, folded in. */
  readonly norm?: Weights;
  /** Default 1. */
  readonly stride?: number;
  /** Multiplies the result; default 1. */
  readonly gain?: number;
}

/**
 * A function that convolves with a core `Conv`; its weights are in the graph once, however often it is called.
 *
 * @param scope where the constants go
 * @param weights of the `Conv`
 * @param options norm, stride, gain
 * @returns adds one convolution
 */
export function convolution(
  scope: Scope,
  weights: Weights,
  { norm, stride = 1, gain = 1 }: ConvolveOptions = {},
): (x: Value, at?: Scope) => Value {
  const { weight, shape, bias } = convWeights(weights, norm, gain);
  const inputs = [scope.weight("weight", weight, shape), scope.weight("bias", bias, [bias.length])];
  const kernel = shape[2]!;
  const settings = { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: around(kernel) };
  return (x, at = scope) => at.op("Conv", [x, ...inputs], settings, "conv");
}

/** As {@link convolution}, for a core `DepthwiseConv`. */
export function depthwiseConvolution(scope: Scope, weights: Weights, stride = 1): (x: Value, at?: Scope) => Value {
  const { weight, shape } = depthwiseWeights(weights);
  const input = scope.weight("weight", weight, shape);
  const kernel = shape[2]!;
  const settings = {
    group: shape[0]!,
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: around(kernel),
  };
  return (x, at = scope) => at.op("Conv", [x, input], settings, "conv");
}

/** A convolution applied once. */
export function convolve(scope: Scope, x: Value, weights: Weights, options: ConvolveOptions = {}): Value {
  return convolution(scope, weights, options)(x);
}

/**
 * A separable convolution of the supernet with its norm, linear.
 *
 * @param scope names and nodes
 * @param x `[B, Cin, H, W]`
 * @param weights of the `SepConv`
 * @param stride default 1
 * @returns `[B, Cout, ceil(H / stride), ceil(W / stride)]`
 */
export function separable(scope: Scope, x: Value, weights: Weights, stride = 1): Value {
  const depthwise = depthwiseConvolution(scope.at("depthwise"), weights.at("depthwise"), stride)(x);
  return convolve(scope.at("pointwise"), depthwise, weights.at("pointwise"), { norm: weights.at("norm") });
}

/**
 * A function that normalises by groups of channels, as a core `GroupNorm` does.
 *
 * @param scope where the constants go
 * @param weights of the `GroupNorm`
 * @param groups how many groups
 * @returns adds one normalisation
 */
export function groupNorm(scope: Scope, weights: Weights, groups: number): (x: Value, at?: Scope) => Value {
  const [scale, offset] = [weights.get("weight").data, weights.get("bias").data];
  const each = [scale.length, 1, 1];
  const inputs = [scope.weight("scale", scale, each), scope.weight("offset", offset, each)];
  return (x, at = scope) => {
    const grouped = at.op("Reshape", [x, at.ints([0, groups, -1])], {}, "groups");
    const ones = at.floats(new Float32Array(groups).fill(1));
    const zeros = at.floats(new Float32Array(groups));
    const normal = at.op("InstanceNormalization", [grouped, ones, zeros], { epsilon: { float: EPSILON } }, "normal");
    const whole = at.op("Reshape", [normal, at.op("Shape", [x])], {}, "channels");
    return at.op("Add", [at.op("Mul", [whole, inputs[0]!]), inputs[1]!]);
  };
}
