// Bilinear resize, adaptive average pooling, and their gradients: in place of tfjs's resize kernels, whose gradient passes
// over half-pixel centres, and kernels of our own. NHWC, float32.
import { ResizeBilinear, ResizeBilinearGrad, type TensorInfo } from "@tensorflow/tfjs-core";
import { expectShape } from "./geometry";
import { addressOf, type Heap, inputOf, makeOutput, replacement, wasmKernel } from "./heap";

/** Inputs `x [B, H, W, C]`; attributes `height`, `width` → `[B, height, width, C]`, half-pixel centres. */
export const RESIZE_BILINEAR = "CaddetResizeBilinear";
/** Inputs `dy [B, H', W', C]`; attributes `height`, `width` of x → `[B, height, width, C]`. */
export const RESIZE_BILINEAR_GRAD = "CaddetResizeBilinearGrad";
/** Inputs `x [B, H, W, C]`; attribute `bins` → `[B, bins², C]`. */
export const ADAPTIVE_POOL = "CaddetAdaptivePool";
/** Inputs `dy [B, bins², C]`; attributes `bins`, `height`, `width` → `[B, height, width, C]`. */
export const ADAPTIVE_POOL_GRAD = "CaddetAdaptivePoolGrad";

type Shape4 = [number, number, number, number];
type Direction = "resizeBilinear" | "resizeBilinearGrad";

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

/** Runs the resize from the small shape `x` to the large shape `y`, or its gradient the other way. */
function resize(
  direction: Direction,
  heap: Heap,
  input: TensorInfo,
  x: Shape4,
  y: Shape4,
  alignCorners: boolean,
  halfPixels: boolean,
): TensorInfo {
  const [batch, inHeight, inWidth, channels] = x;
  const [, outHeight, outWidth] = y;
  const out = makeOutput(heap, direction === "resizeBilinear" ? y : x);
  heap.exports[direction](
    addressOf(heap, input),
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

function resizedShape(x: Shape4, height: unknown, width: unknown): Shape4 {
  return [x[0], height as number, width as number, x[3]];
}

/** tfjs's `images`, with `size`, `alignCorners`, `halfPixelCenters`. */
export const tfjsResizeKernel = replacement(ResizeBilinear, (heap, inputs, attrs) => {
  const images = inputs.images;
  if (images?.dtype !== "float32") return undefined;
  const shape = images.shape as Shape4;
  const [height, width] = attrs.size as [number, number];
  const [corners, half] = [Boolean(attrs.alignCorners), Boolean(attrs.halfPixelCenters)];
  return resize("resizeBilinear", heap, images, shape, resizedShape(shape, height, width), corners, half);
});

/** tfjs's `images` and `dy`, with the attributes of the resize. */
export const tfjsResizeGradKernel = replacement(ResizeBilinearGrad, (heap, inputs, attrs) => {
  const images = inputs.images as TensorInfo;
  const dy = inputOf(ResizeBilinearGrad, inputs, "dy");
  const shape = images.shape as Shape4;
  const [corners, half] = [Boolean(attrs.alignCorners), Boolean(attrs.halfPixelCenters)];
  return resize("resizeBilinearGrad", heap, dy, shape, dy.shape as Shape4, corners, half);
});

export const resizeBilinearKernel = wasmKernel(RESIZE_BILINEAR, (heap, inputs, attrs) => {
  const x = inputOf(RESIZE_BILINEAR, inputs, "x");
  const shape = x.shape as Shape4;
  return resize("resizeBilinear", heap, x, shape, resizedShape(shape, attrs.height, attrs.width), false, true);
});

export const resizeBilinearGradKernel = wasmKernel(RESIZE_BILINEAR_GRAD, (heap, inputs, attrs) => {
  const dy = inputOf(RESIZE_BILINEAR_GRAD, inputs, "dy");
  const shape = dy.shape as Shape4;
  return resize("resizeBilinearGrad", heap, dy, resizedShape(shape, attrs.height, attrs.width), shape, false, true);
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
