// Calls of TensorFlow.js kernels without the operations around them: these check shapes again and prepare a gradient, which for a
// small map takes as long as the kernel itself. For inference alone, on shapes that are known to fit.
import { type Activation, adaptiveAveragePool } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

const run = (name: string, inputs: Record<string, tf.Tensor>, attrs: Record<string, unknown>): tf.Tensor4D =>
  tf.engine().runKernel(name, inputs, attrs as tf.NamedAttrMap);

/** How a convolution steps over its input; padding is symmetric, or none. */
export interface ConvolutionSteps {
  readonly stride: number;
  /** Default true. */
  readonly padded?: boolean;
}

function attributesOf(kernelSize: number, { stride, padded = true }: ConvolutionSteps) {
  const p = padded ? (kernelSize - 1) / 2 : 0;
  const common = { strides: [stride, stride], dataFormat: "NHWC", dilations: [1, 1] };
  if (p === 0) return { ...common, pad: "valid" };
  return stride === 1 ? { ...common, pad: "same" } : { ...common, pad: p, dimRoundingMode: "floor" };
}

// A kernel's input and the attributes that say how to step over it. What is left for the caller to free is a hand-padded input.
function stepped(x: tf.Tensor4D, kernelSize: number, steps: ConvolutionSteps) {
  const attrs = attributesOf(kernelSize, steps);
  const { pad } = attrs;
  if (typeof pad === "string" || tf.getBackend() !== "tensorflow") return { x, attrs };
  // TensorFlow proper has no numeric padding: pad by hand.
  const sides: [number, number] = [pad, pad];
  return { x: tf.pad4d(x, [[0, 0], sides, sides, [0, 0]]), attrs: { ...attrs, pad: "valid" } };
}

/**
 * Convolution, bias and activation in one launch.
 *
 * @param x `[B, H, W, Cin]`
 * @param filter `[k, k, Cin, Cout]`; k odd where padded
 * @param bias `[Cout]`
 * @param options stride, padding and what follows
 * @returns `[B, H', W', Cout]`
 */
export function fusedConvolution(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  bias: tf.Tensor1D,
  { activation, ...steps }: ConvolutionSteps & { readonly activation: Activation },
): tf.Tensor4D {
  const { x: input, attrs } = stepped(x, filter.shape[0], steps);
  const y = run(tf.FusedConv2D, { x: input, filter, bias }, { ...attrs, activation });
  if (input !== x) input.dispose();
  return y;
}

/** The weights of a separable convolution with normalisation folded in. */
export interface SeparableWeights {
  /** `[k, k, Cin, 1]`, k odd. */
  readonly depthwise: tf.Tensor4D;
  /** `[1, 1, Cin, Cout]` */
  readonly pointwise: tf.Tensor4D;
  /** `[Cout]` */
  readonly bias: tf.Tensor1D;
}

/** Our kernel of it: one launch, residual included (`@caddet/runtime`). */
const SEP_CONV = "CaddetSepConv";

/**
 * Separable convolution, bias, residual and activation: one launch where the backend has a kernel for it.
 *
 * @param x `[B, H, W, Cin]`
 * @param weights depthwise, symmetrically padded; 1 × 1; bias
 * @param options stride, activation, and what is added in front of it, of the result's shape
 * @returns `[B, ceil(H / stride), ceil(W / stride), Cout]`
 */
export function separableConvolution(
  x: tf.Tensor4D,
  { depthwise, pointwise, bias }: SeparableWeights,
  {
    stride,
    activation,
    residual,
  }: { readonly stride: number; readonly activation: Activation; readonly residual?: tf.Tensor4D },
): tf.Tensor4D {
  if (tf.getKernel(SEP_CONV, tf.getBackend())) {
    const inputs = { x, depthwise, pointwise, bias };
    const attrs = { ...attributesOf(depthwise.shape[0], { stride }), activation };
    return run(SEP_CONV, residual ? { ...inputs, residual } : inputs, attrs);
  }
  const { x: input, attrs } = stepped(x, depthwise.shape[0], { stride });
  const filtered = run(tf.DepthwiseConv2dNative, { x: input, filter: depthwise }, attrs);
  if (input !== x) input.dispose();
  const y = fusedConvolution(filtered, pointwise, bias, { stride: 1, activation: residual ? "linear" : activation });
  filtered.dispose();
  if (!residual) return y;
  const sum = run(tf.Add, { a: y, b: residual }, {});
  y.dispose();
  if (activation === "linear") return sum;
  const active = run(tf.Relu, { x: sum }, {});
  sum.dispose();
  return active;
}

/** Bilinear interpolation with half-pixel centres to an exact size. */
export function resize(x: tf.Tensor4D, size: readonly [number, number]): tf.Tensor4D {
  return run(tf.ResizeBilinear, { images: x }, { alignCorners: false, halfPixelCenters: true, size: [...size] });
}

/**
 * Averages a map into 2 × 2 bins, as `adaptiveAveragePool` of core does.
 *
 * @param x `[B, H, W, C]`
 * @returns `[B, 2, 2, C]`
 */
export function poolToQuarters(x: tf.Tensor4D): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  // A side of one cell is in both bins, which no window does.
  if (height < 2 || width < 2) return tf.reshape(adaptiveAveragePool(x, 2), [batch, 2, 2, channels]);
  // A window of half the map, rounded up, at a stride of half of it, rounded down, is the adaptive rule for two bins.
  const filterSize = [Math.ceil(height / 2), Math.ceil(width / 2)];
  return run(tf.AvgPool, { x }, { filterSize, strides: [Math.floor(height / 2), Math.floor(width / 2)], pad: "valid" });
}
