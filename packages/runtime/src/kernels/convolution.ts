// Gradients of dense 2D convolutions, NHWC, float32, any stride and padding, dilation 1. tfjs's wasm backend lacks the one
// of the filter and has a naive one of the input.
import { Conv2DBackpropFilter, Conv2DBackpropInput } from "@tensorflow/tfjs-core";
import { convolutionInfo, expectShape, writeGeometry } from "./geometry";
import { addressOf, inputOf, makeOutput, sizeOf, wasmKernel, withScratch } from "./heap";

/** Gradient of the filter: `x [B, H, W, C]`, `dy [B, H', W', K]` → `[h, w, C, K]`. */
export const conv2DBackpropFilterKernel = wasmKernel(Conv2DBackpropFilter, (heap, inputs, attrs) => {
  const x = inputOf(Conv2DBackpropFilter, inputs, "x");
  const dy = inputOf(Conv2DBackpropFilter, inputs, "dy");
  const filterShape = attrs.filterShape as number[];
  const info = convolutionInfo(Conv2DBackpropFilter, x.shape, filterShape, attrs, false);
  expectShape(Conv2DBackpropFilter, "dy", dy, info.outShape);
  const out = makeOutput(heap, filterShape);
  const { exports } = heap;
  if (sizeOf(dy.shape) === 0 || sizeOf(x.shape) === 0) {
    exports.fill(addressOf(heap, out), sizeOf(filterShape), 0);
    return out;
  }
  const geometry = writeGeometry(heap, info);
  withScratch(heap, exports.conv2dBackpropFilterScratch(geometry), (scratch) =>
    exports.conv2dBackpropFilter(geometry, addressOf(heap, x), addressOf(heap, dy), addressOf(heap, out), scratch),
  );
  return out;
});

/** Gradient of the input: `dy [B, H', W', K]`, `filter [h, w, C, K]` → `[B, H, W, C]`. */
export const conv2DBackpropInputKernel = wasmKernel(Conv2DBackpropInput, (heap, inputs, attrs) => {
  const dy = inputOf(Conv2DBackpropInput, inputs, "dy");
  const filter = inputOf(Conv2DBackpropInput, inputs, "filter");
  const inputShape = attrs.inputShape as number[];
  const info = convolutionInfo(Conv2DBackpropInput, inputShape, filter.shape, attrs, false);
  expectShape(Conv2DBackpropInput, "dy", dy, info.outShape);
  const out = makeOutput(heap, inputShape);
  const { exports } = heap;
  if (sizeOf(dy.shape) === 0) {
    exports.fill(addressOf(heap, out), sizeOf(inputShape), 0);
    return out;
  }
  const geometry = writeGeometry(heap, info);
  withScratch(heap, exports.conv2dBackpropInputScratch(geometry), (scratch) =>
    exports.conv2dBackpropInput(geometry, addressOf(heap, dy), addressOf(heap, filter), addressOf(heap, out), scratch),
  );
  return out;
});
