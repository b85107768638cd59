// The gradient of a bilinear resize with half-pixel centres, which tfjs-node does not ask libtensorflow for, and adaptive average
// pooling with its gradient, as products with a matrix that is kept.
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { expectShape } from "../geometry";
import { inputOf } from "../heap";
import { ADAPTIVE_POOL, ADAPTIVE_POOL_GRAD, RESIZE_BILINEAR_GRAD } from "../resampling";
import { type Native, nativeKernel } from "./backend";

type Shape4 = [number, number, number, number];

export const nativeResizeBilinearGrad = nativeKernel(RESIZE_BILINEAR_GRAD, (native, inputs, attrs) => {
  const dy = inputOf(RESIZE_BILINEAR_GRAD, inputs, "dy");
  const [batch, , , channels] = dy.shape as Shape4;
  const shape = [batch, attrs.height as number, attrs.width as number, channels];
  // Of the original image, the operation reads the shape alone.
  const [like] = native.run("Empty", [native.ints(shape)], { dtype: native.float, init: false }, 1);
  return native.op("ResizeBilinearGrad", [native.idOf(dy), like!.id], {
    align_corners: false,
    half_pixel_centers: true,
  });
});

/**
 * `[1, bins², H · W]`: bin i of n covers the cells floor(i·size/n) .. ceil((i+1)·size/n) - 1, each with equal weight. Of several images,
 * `[images · bins², images · H · W]`: each has its own block, and what is beside it is 0.
 */
function poolingMatrix(native: Native, height: number, width: number, bins: number, images?: number): number {
  const cells = height * width;
  const range = (i: number, size: number) =>
    [Math.floor((i * size) / bins), Math.ceil(((i + 1) * size) / bins)] as const;
  const blocks = images ?? 1;
  const rows = bins * bins;
  const shape = images === undefined ? [1, rows, cells] : [blocks * rows, blocks * cells];
  return native.floats(`pool ${height}`, shape, () => {
    const matrix = new Float32Array(blocks * rows * blocks * cells);
    for (let row = 0; row < blocks * rows; row++) {
      const bin = row % rows;
      const [top, bottom] = range(Math.floor(bin / bins), height);
      const [left, right] = range(bin % bins, width);
      const weight = 1 / ((bottom - top) * (right - left));
      const block = row * blocks * cells + Math.floor(row / rows) * cells;
      for (let y = top; y < bottom; y++) matrix.fill(weight, block + y * width + left, block + y * width + right);
    }
    return matrix;
  });
}

// In a graph, the product of two matrices is so much faster than one of batches that the zeros cost less.
const MOST_BLOCKS = 4;
const isPlain = (native: Native, images: number) => native.isRecorded && images <= MOST_BLOCKS;

export const nativeAdaptivePool = nativeKernel(ADAPTIVE_POOL, (native, inputs, attrs) => {
  const x = inputOf(ADAPTIVE_POOL, inputs, "x");
  const [batch, height, width, channels] = x.shape as Shape4;
  const bins = attrs.bins as number;
  if (!isPlain(native, batch)) {
    const matrix = poolingMatrix(native, height, width, bins);
    const cells = native.reshape(native.idOf(x), [batch, height * width, channels]);
    return native.op("BatchMatMulV2", [matrix, cells], { adj_x: false, adj_y: false });
  }
  const cells = native.reshape(native.idOf(x), [batch * height * width, channels]);
  const blocks = poolingMatrix(native, height, width, bins, batch);
  const { id } = native.op("BatchMatMulV2", [blocks, cells], { adj_x: false, adj_y: false });
  return native.op("Reshape", [id, native.ints([batch, bins * bins, channels])], { Tshape: native.int32 });
});

export const nativeAdaptivePoolGrad = nativeKernel(ADAPTIVE_POOL_GRAD, (native, inputs, attrs) => {
  const dy: TensorInfo = inputOf(ADAPTIVE_POOL_GRAD, inputs, "dy");
  const [batch = 0, , channels = 0] = dy.shape;
  const [bins, height, width] = [attrs.bins as number, attrs.height as number, attrs.width as number];
  expectShape(ADAPTIVE_POOL_GRAD, "dy", dy, [batch, bins * bins, channels]);
  const plain = isPlain(native, batch);
  const matrix = poolingMatrix(native, height, width, bins, plain ? batch : undefined);
  const given = plain ? native.reshape(native.idOf(dy), [batch * bins * bins, channels]) : native.idOf(dy);
  const { id } = native.op("BatchMatMulV2", [matrix, given], { adj_x: true, adj_y: false });
  return native.op("Reshape", [id, native.ints([batch, height, width, channels])], { Tshape: native.int32 });
});
