// Bilinear resizing with half-pixel centres and adaptive average pooling, and their gradients: kernels of our own.
import type { NamedAttrMap, TensorInfo } from "@tensorflow/tfjs-core";
import { addressOf, type Heap, inputOf, makeOutput, wasmKernel } from "./heap";

/** Input `x [B, H, W, C]`, attrs `height`, `width` → `[B, height, width, C]`. */
export const RESIZE_BILINEAR = "CaddetResizeBilinear";
/** Input `dy [B, H', W', C]`, attrs `height`, `width` of x → `dx [B, height, width, C]`. */
export const RESIZE_BILINEAR_GRAD = "CaddetResizeBilinearGrad";
/** Input `x [B, H, W, C]`, attrs `bins` → `[B, bins * bins, C]`. */
export const ADAPTIVE_POOL = "CaddetAdaptivePool";
/** Input `dy [B, bins * bins, C]`, attrs `bins`, `height`, `width` of x → `dx [B, height, width, C]`. */
export const ADAPTIVE_POOL_GRAD = "CaddetAdaptivePoolGrad";

type Shape4 = [number, number, number, number];

function resized(heap: Heap, input: TensorInfo, attrs: NamedAttrMap): { out: TensorInfo; shape: Shape4 } {
  const shape = input.shape as Shape4;
  return { out: makeOutput(heap, [shape[0], Number(attrs.height), Number(attrs.width), shape[3]]), shape };
}

export const resizeBilinearKernel = wasmKernel(RESIZE_BILINEAR, (heap, inputs, attrs) => {
  const x = inputOf(RESIZE_BILINEAR, inputs, "x");
  const { out, shape } = resized(heap, x, attrs);
  const [images, height, width, channels] = shape;
  const [, toHeight, toWidth] = out.shape as Shape4;
  const { exports } = heap;
  exports.resizeBilinear(addressOf(heap, x), addressOf(heap, out), images, height, width, toHeight, toWidth, channels);
  return out;
});

export const resizeBilinearGradKernel = wasmKernel(RESIZE_BILINEAR_GRAD, (heap, inputs, attrs) => {
  const dy = inputOf(RESIZE_BILINEAR_GRAD, inputs, "dy");
  const { out: dx, shape } = resized(heap, dy, attrs);
  const [images, toHeight, toWidth, channels] = shape;
  const [, height, width] = dx.shape as Shape4;
  const { exports } = heap;
  exports.resizeBilinearGrad(
    addressOf(heap, dy),
    addressOf(heap, dx),
    images,
    height,
    width,
    toHeight,
    toWidth,
    channels,
  );
  return dx;
});

export const adaptivePoolKernel = wasmKernel(ADAPTIVE_POOL, (heap, inputs, attrs) => {
  const x = inputOf(ADAPTIVE_POOL, inputs, "x");
  const [images, height, width, channels] = x.shape as Shape4;
  const bins = Number(attrs.bins);
  const out = makeOutput(heap, [images, bins * bins, channels]);
  heap.exports.adaptivePool(addressOf(heap, x), addressOf(heap, out), images, height, width, channels, bins, 0);
  return out;
});

export const adaptivePoolGradKernel = wasmKernel(ADAPTIVE_POOL_GRAD, (heap, inputs, attrs) => {
  const dy = inputOf(ADAPTIVE_POOL_GRAD, inputs, "dy");
  const [images, , channels] = dy.shape as [number, number, number];
  const [height, width, bins] = [Number(attrs.height), Number(attrs.width), Number(attrs.bins)];
  const dx = makeOutput(heap, [images, height, width, channels]);
  heap.exports.adaptivePool(addressOf(heap, dx), addressOf(heap, dy), images, height, width, channels, bins, 1);
  return dx;
});
