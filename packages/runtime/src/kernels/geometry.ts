// The geometry of a 2D convolution: from tfjs's attributes to the int32 record that the kernels read, with the checks
// that both kinds of convolution share.

import type { NamedAttrMap, TensorInfo } from "@tensorflow/tfjs-core";
import { backend_util } from "@tensorflow/tfjs-core";
import { RuntimeError } from "../errors";
import type { Heap } from "./heap";

type Shape4 = [number, number, number, number];
type Padding = number | "same" | "valid" | backend_util.ExplicitPadding;
type Rounding = "floor" | "round" | "ceil";

/** tfjs's convolution record. */
export type ConvolutionInfo = backend_util.Conv2DInfo;

/**
 * Resolves a convolution's attributes.
 *
 * @param kernel name for error messages
 * @param inputShape `[B, H, W, C]`
 * @param filterShape `[h, w, C, K]`, or `[h, w, C, multiplier]` when depthwise
 * @param attrs tfjs's `strides`, `pad`, `dimRoundingMode`, `dilations`, `dataFormat`
 * @param depthwise whether it is a depthwise convolution
 * @throws RuntimeError `kernel-unsupported` on dilation other than 1 or a layout other than NHWC
 */
export function convolutionInfo(
  kernel: string,
  inputShape: readonly number[],
  filterShape: readonly number[],
  attrs: NamedAttrMap,
  depthwise: boolean,
): ConvolutionInfo {
  const info = backend_util.computeConv2DInfo(
    inputShape as Shape4,
    filterShape as Shape4,
    attrs.strides as number | [number, number],
    (attrs.dilations ?? 1) as number | [number, number],
    attrs.pad as Padding,
    attrs.dimRoundingMode as Rounding | undefined,
    depthwise,
    backend_util.convertConv2DDataFormat((attrs.dataFormat ?? "NHWC") as "NHWC" | "NCHW"),
  );
  if (info.dilationHeight !== 1 || info.dilationWidth !== 1) {
    throw new RuntimeError(
      "kernel-unsupported",
      `${kernel} got dilation [${info.dilationHeight}, ${info.dilationWidth}]; ` +
        "expected 1, as tfjs's own gradients do. Use a larger filter.",
    );
  }
  if (info.dataFormat !== "channelsLast") {
    throw new RuntimeError("kernel-unsupported", `${kernel} got NCHW; expected NHWC. Transpose the tensors.`);
  }
  return info;
}

/** Throws unless `tensor` has the shape `expected`. */
export function expectShape(kernel: string, name: string, tensor: TensorInfo, expected: readonly number[]): void {
  if (tensor.shape.length === expected.length && expected.every((size, axis) => tensor.shape[axis] === size)) return;
  throw new RuntimeError(
    "kernel-input",
    `${kernel} got '${name}' of shape [${tensor.shape}]; expected [${expected}]. Check the strides and the padding.`,
  );
}

/** Writes the record where the kernels look for it, and returns its address. */
export function writeGeometry(heap: Heap, info: ConvolutionInfo): number {
  const values = [
    info.batchSize,
    info.inHeight,
    info.inWidth,
    info.inChannels,
    info.outHeight,
    info.outWidth,
    info.outChannels,
    info.filterHeight,
    info.filterWidth,
    info.strideHeight,
    info.strideWidth,
    info.padInfo.top,
    info.padInfo.left,
    info.outChannels / info.inChannels,
  ];
  new Int32Array(heap.backend.wasm.asm.memory.buffer, heap.parameters, values.length).set(values);
  return heap.parameters;
}
