// Forward convolutions, dense and depthwise, plain and fused with bias and activation: NHWC, float32, dilation 1. They are
// faster than tfjs's, most of all in training, where tfjs packs each new filter for its cache. What else there is (other
// activations, dilation, channel multipliers, very few channels) stays with tfjs.
import {
  Conv2D,
  DepthwiseConv2dNative,
  FusedConv2D,
  FusedDepthwiseConv2D,
  type NamedAttrMap,
  type NamedTensorInfoMap,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import { type ConvolutionInfo, convolutionInfo, writeGeometry } from "./geometry";
import { addressOf, type Heap, makeOutput, replacement, sizeOf, withScratch } from "./heap";

/** Vectors hold four channels; with fewer than two of them tfjs's depthwise kernel is the faster one. */
const FEWEST_DEPTHWISE_CHANNELS = 8;

type Bounds = readonly [floor: number, ceiling: number];

const BOUNDS: ReadonlyMap<unknown, Bounds> = new Map<unknown, Bounds>([
  [undefined, [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]],
  ["linear", [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]],
  ["relu", [0, Number.POSITIVE_INFINITY]],
  ["relu6", [0, 6]],
]);

/** The convolution that the inputs ask for, if it is one of ours. */
function supported(kernel: string, inputs: NamedTensorInfoMap, attrs: NamedAttrMap, depthwise: boolean) {
  const { x, filter, bias } = inputs;
  if (x?.dtype !== "float32" || filter?.dtype !== "float32" || (attrs.dataFormat ?? "NHWC") !== "NHWC")
    return undefined;
  if (attrs.dilations != null && [attrs.dilations].flat().some((dilation) => dilation !== 1)) return undefined;
  const info = convolutionInfo(kernel, x.shape, filter.shape, attrs, depthwise);
  if (depthwise && (info.outChannels !== info.inChannels || info.inChannels < FEWEST_DEPTHWISE_CHANNELS))
    return undefined;
  if (sizeOf(x.shape) === 0 || sizeOf(info.outShape) === 0) return undefined;
  if (bias && (bias.shape.length !== 1 || bias.shape[0] !== info.outChannels)) return undefined;
  return { x, filter, bias, info };
}

function convolve(
  heap: Heap,
  x: TensorInfo,
  filter: TensorInfo,
  info: ConvolutionInfo,
  depthwise: boolean,
): TensorInfo {
  const out = makeOutput(heap, info.outShape);
  const { exports } = heap;
  const geometry = writeGeometry(heap, info);
  const bytes = depthwise ? exports.DEPTHWISE_SCRATCH.value : exports.conv2dScratch(geometry);
  const run = depthwise ? exports.depthwise : exports.conv2d;
  const [xAt, filterAt, outAt] = [addressOf(heap, x), addressOf(heap, filter), addressOf(heap, out)];
  withScratch(heap, bytes, (scratch) => run(geometry, xAt, filterAt, outAt, scratch));
  return out;
}

function forward(kernel: string, depthwise: boolean) {
  return replacement(kernel, (heap, inputs, attrs) => {
    const call = supported(kernel, inputs, attrs, depthwise);
    const bounds = inputs.preluActivationWeights ? undefined : BOUNDS.get(attrs.activation);
    if (!call || !bounds) return undefined;
    const { x, filter, bias, info } = call;
    const out = convolve(heap, x, filter, info, depthwise);
    if (bias || Number.isFinite(bounds[0])) {
      const rows = sizeOf(info.outShape) / info.outChannels;
      const biasAt = bias ? addressOf(heap, bias) : 0;
      heap.exports.biasAndClamp(addressOf(heap, out), biasAt, rows, info.outChannels, bounds[0], bounds[1]);
    }
    return out;
  });
}

/** `x [B, H, W, C]`, `filter [h, w, C, K]` → `[B, H', W', K]`. */
export const conv2DKernel = forward(Conv2D, false);
/** As `Conv2D`, then `bias [K]` and a linear, relu or relu6 activation. */
export const fusedConv2DKernel = forward(FusedConv2D, false);
/** `x [B, H, W, C]`, `filter [h, w, C, 1]` → `[B, H', W', C]`. */
export const depthwiseConv2dKernel = forward(DepthwiseConv2dNative, true);
/** As `DepthwiseConv2dNative`, then `bias [C]` and a linear, relu or relu6 activation. */
export const fusedDepthwiseConv2DKernel = forward(FusedDepthwiseConv2D, true);
