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

// A kernel's input and the attributes that say how to step over it. What is left for the caller to free is a hand-padded input.
function stepped(x: tf.Tensor4D, kernelSize: number, { stride, padded = true }: ConvolutionSteps) {
  const p = padded ? (kernelSize - 1) / 2 : 0;
  const common = { strides: [stride, stride], dataFormat: "NHWC", dilations: [1, 1] };
  if (p === 0) return { x, attrs: { ...common, pad: "valid" } };
  if (stride === 1) return { x, attrs: { ...common, pad: "same" } };
  if (tf.getBackend() !== "tensorflow") return { x, attrs: { ...common, pad: p, dimRoundingMode: "floor" } };
  // TensorFlow proper has no numeric padding: pad by hand.
  const sides: [number, number] = [p, p];
  return { x: tf.pad4d(x, [[0, 0], sides, sides, [0, 0]]), attrs: { ...common, pad: "valid" } };
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

/** Depthwise convolution of `[B, H, W, C]` by `[k, k, C, 1]`, symmetrically padded. */
export function depthwiseConvolution(x: tf.Tensor4D, filter: tf.Tensor4D, stride: number): tf.Tensor4D {
  const { x: input, attrs } = stepped(x, filter.shape[0], { stride });
  const y = run(tf.DepthwiseConv2dNative, { x: input, filter }, attrs);
  if (input !== x) input.dispose();
  return y;
}

/** `ReLU(a + b)` of two maps of one shape; a is freed. */
export function addAndRelu(a: tf.Tensor4D, b: tf.Tensor4D): tf.Tensor4D {
  const sum = run(tf.Add, { a, b }, {});
  a.dispose();
  const y = run(tf.Relu, { x: sum }, {});
  sum.dispose();
  return y;
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
