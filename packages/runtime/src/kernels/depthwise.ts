// Gradients of depthwise 2D convolutions, NHWC, float32, any stride, padding and channel multiplier, dilation 1. tfjs's
// wasm backend lacks both.
import { DepthwiseConv2dNativeBackpropFilter, DepthwiseConv2dNativeBackpropInput } from "@tensorflow/tfjs-core";
import { convolutionInfo, expectShape, writeGeometry } from "./geometry";
import { addressOf, inputOf, makeOutput, sizeOf, wasmKernel, withScratch } from "./heap";

/** Gradient of the input: `dy [B, H', W', C·m]`, `filter [h, w, C, m]` → `[B, H, W, C]`. */
export const depthwiseBackpropInputKernel = wasmKernel(DepthwiseConv2dNativeBackpropInput, (heap, inputs, attrs) => {
  const kernel = DepthwiseConv2dNativeBackpropInput;
  const dy = inputOf(kernel, inputs, "dy");
  const filter = inputOf(kernel, inputs, "filter");
  const inputShape = attrs.inputShape as number[];
  const info = convolutionInfo(kernel, inputShape, filter.shape, attrs, true);
  expectShape(kernel, "dy", dy, info.outShape);
  const out = makeOutput(heap, inputShape);
  const { exports } = heap;
  const [dyAt, filterAt, outAt] = [addressOf(heap, dy), addressOf(heap, filter), addressOf(heap, out)];
  const geometry = writeGeometry(heap, info);
  if (sizeOf(dy.shape) === 0) exports.fill(outAt, sizeOf(inputShape), 0);
  else if (info.outChannels !== info.inChannels) exports.multiplierBackpropInput(geometry, dyAt, filterAt, outAt);
  else {
    withScratch(heap, exports.DEPTHWISE_SCRATCH.value, (scratch) =>
      exports.depthwiseBackpropInput(geometry, dyAt, filterAt, outAt, scratch),
    );
  }
  return out;
});

/** Gradient of the filter: `x [B, H, W, C]`, `dy [B, H', W', C·m]` → `[h, w, C, m]`. */
export const depthwiseBackpropFilterKernel = wasmKernel(DepthwiseConv2dNativeBackpropFilter, (heap, inputs, attrs) => {
  const kernel = DepthwiseConv2dNativeBackpropFilter;
  const x = inputOf(kernel, inputs, "x");
  const dy = inputOf(kernel, inputs, "dy");
  const filterShape = attrs.filterShape as number[];
  const info = convolutionInfo(kernel, x.shape, filterShape, attrs, true);
  expectShape(kernel, "dy", dy, info.outShape);
  const out = makeOutput(heap, filterShape);
  const { exports } = heap;
  const [xAt, dyAt, outAt] = [addressOf(heap, x), addressOf(heap, dy), addressOf(heap, out)];
  const geometry = writeGeometry(heap, info);
  if (info.outChannels !== info.inChannels) exports.multiplierBackpropFilter(geometry, xAt, dyAt, outAt);
  else {
    withScratch(heap, exports.DEPTHWISE_FILTER_SCRATCH.value, (scratch) =>
      exports.depthwiseBackpropFilter(geometry, xAt, dyAt, outAt, scratch),
    );
  }
  return out;
});
