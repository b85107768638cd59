// The gradient of a bilinear resize, in place of tfjs's, which passes over half-pixel centres, and as a kernel of our own;
// adaptive average pooling and its gradient. NHWC, float32.
import { ResizeBilinearGrad, type TensorInfo } from "@tensorflow/tfjs-core";
import { expectShape } from "./geometry";
import { addressOf, type Heap, inputOf, makeOutput, replacement, wasmKernel } from "./heap";

/** Inputs `dy [B, H', W', C]`; attributes `height`, `width` of x → `[B, height, width, C]`. */
export const RESIZE_BILINEAR_GRAD = "CaddetResizeBilinearGrad";
/** Inputs `x [B, H, W, C]`; attribute `bins` → `[B, bins², C]`. */
export const ADAPTIVE_POOL = "CaddetAdaptivePool";
/** Inputs `dy [B, bins², C]`; attributes `bins`, `height`, `width` → `[B, height, width, C]`. */
export const ADAPTIVE_POOL_GRAD = "CaddetAdaptivePoolGrad";

type Shape4 = [number, number, number, number];
/** Where output position i reads: at i · scale + offset. */
function sampling(
  from: number,
  to: number,
  alignCorners: boolean,
  halfPixels: boolean,
): [scale: number, offset: number] {
  const scale = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
  return [scale, halfPixels ? 0.5 * scale - 0.5 : 0];
}

/** The gradient of a resize from shape `x` to that of `dy`. */
function resizeGrad(heap: Heap, dy: TensorInfo, x: Shape4, alignCorners: boolean, halfPixels: boolean): TensorInfo {
  const [batch, inHeight, inWidth, channels] = x;
  const [, outHeight, outWidth] = dy.shape as Shape4;
  expectShape("ResizeBilinearGrad", "dy", dy, [batch, outHeight, outWidth, channels]);
  const out = makeOutput(heap, x);
  heap.exports.resizeBilinearGrad(
    addressOf(heap, dy),
    addressOf(heap, out),
    batch,
    inHeight,
    inWidth,
    channels,
    outHeight,
    outWidth,
    ...sampling(inHeight, outHeight, alignCorners, halfPixels),
    ...sampling(inWidth, outWidth, alignCorners, halfPixels),
  );
  return out;
}

/** tfjs's `images` and `dy`, with the attributes of the resize. */
export const tfjsResizeGradKernel = replacement(ResizeBilinearGrad, (heap, inputs, attrs) => {
  const images = inputs.images as TensorInfo;
  const dy = inputOf(ResizeBilinearGrad, inputs, "dy");
  const [corners, half] = [Boolean(attrs.alignCorners), Boolean(attrs.halfPixelCenters)];
  return resizeGrad(heap, dy, images.shape as Shape4, corners, half);
});

export const resizeBilinearGradKernel = wasmKernel(RESIZE_BILINEAR_GRAD, (heap, inputs, attrs) => {
  const dy = inputOf(RESIZE_BILINEAR_GRAD, inputs, "dy");
  const [batch, , , channels] = dy.shape as Shape4;
  return resizeGrad(heap, dy, [batch, attrs.height as number, attrs.width as number, channels], false, true);
});

export const adaptivePoolKernel = wasmKernel(ADAPTIVE_POOL, (heap, inputs, attrs) => {
  const x = inputOf(ADAPTIVE_POOL, inputs, "x");
  const [batch, height, width, channels] = x.shape as Shape4;
  const bins = attrs.bins as number;
  const out = makeOutput(heap, [batch, bins * bins, channels]);
  heap.exports.adaptivePool(addressOf(heap, x), addressOf(heap, out), batch, height, width, channels, bins);
  return out;
});

export const adaptivePoolGradKernel = wasmKernel(ADAPTIVE_POOL_GRAD, (heap, inputs, attrs) => {
  const dy = inputOf(ADAPTIVE_POOL_GRAD, inputs, "dy");
  const [batch = 0, , channels = 0] = dy.shape;
  const [bins, height, width] = [attrs.bins as number, attrs.height as number, attrs.width as number];
  expectShape(ADAPTIVE_POOL_GRAD, "dy", dy, [batch, bins * bins, channels]);
  const out = makeOutput(heap, [batch, height, width, channels]);
  heap.exports.adaptivePoolGrad(addressOf(heap, dy), addressOf(heap, out), batch, height, width, channels, bins);
  return out;
});
