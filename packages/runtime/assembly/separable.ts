// A separable convolution in one pass, for inference: depthwise, then 1×1, bias, residual and ReLU. It goes through an image in bands of
// rows, so that what the depthwise convolution gives, and what is added to the product, is still in the second cache.
import { DEPTHWISE_SCRATCH, depthwiseRows } from "./depthwise";
import {
  blockBytes,
  blockRows,
  MAX_BLOCK_ROWS,
  multiplyRows,
  packedBytes,
  packRows,
  TILE_BYTES,
  TILE_ROWS,
} from "./gemm";
import { Geometry } from "./geometry";
import { ceilDiv, storeLanes, zero } from "./simd";

/** Output rows of a band: about a block of the product, and even, because the depthwise convolution makes two at once. */
function bandRows(g: Geometry): i32 {
  const rows = blockRows(g.inChannels) / g.outWidth;
  return max(1, min(rows > 1 ? rows & ~1 : 1, g.outHeight));
}

/** Addresses of the rows of a block, overhang included. */
const TABLE_BYTES: i32 = (MAX_BLOCK_ROWS + TILE_ROWS) * 4;

export function sepConvScratch(g: Geometry): i32 {
  // The depthwise convolution may read up to 12 bytes past its band.
  const band = bandRows(g) * g.outWidth * g.inChannels * 4 + 16;
  const panels = packedBytes(g.inChannels, g.outChannels);
  return TILE_BYTES + 2 * TABLE_BYTES + blockBytes(g.inChannels) + panels + DEPTHWISE_SCRATCH + band;
}

/**
 * y = max(pointwise (depthwise x) + bias + residual, floor). The geometry is that of the depthwise convolution but for `outChannels`;
 * `residual` 0 means none.
 */
export function sepConv(
  g: Geometry,
  x: usize,
  depthwise: usize,
  pointwise: usize,
  bias: usize,
  residual: usize,
  y: usize,
  floor: f32,
  scratch: usize,
): void {
  const addresses = scratch + TILE_BYTES;
  const results = addresses + TABLE_BYTES;
  const a = results + TABLE_BYTES;
  const panels = a + blockBytes(g.inChannels);
  const zeros = panels + packedBytes(g.inChannels, g.outChannels);
  const band = zeros + DEPTHWISE_SCRATCH;
  const inBytes = <usize>g.inChannels << 2;
  const outBytes = <usize>g.outChannels << 2;
  const block = blockRows(g.inChannels);
  const bandHeight = bandRows(g);
  memory.fill(zeros, 0, DEPTHWISE_SCRATCH);
  packRows(pointwise, g.outChannels << 2, g.inChannels, g.outChannels, panels, 0, g.inChannels);
  for (let b = 0; b < g.batch; b++) {
    const image = x + <usize>(b * g.inHeight * g.inWidth) * inBytes;
    for (let top = 0; top < g.outHeight; top += bandHeight) {
      const end = min(top + bandHeight, g.outHeight);
      depthwiseRows(g, image, depthwise, top, end, band, zeros);
      const pixels = (end - top) * g.outWidth;
      for (let start = 0; start < pixels; start += block) {
        const rows = min(block, pixels - start);
        const from = band + <usize>start * inBytes;
        // Overhanging rows repeat the last one.
        for (let r = 0; r < ceilDiv(rows, TILE_ROWS) * TILE_ROWS; r++) {
          const row = <usize>min(r, rows - 1);
          store<u32>(addresses + (r << 2), <u32>(from + row * inBytes));
          store<u32>(results + (r << 2), <u32>(y + row * outBytes));
        }
        multiplyRows(rows, g.outChannels, 1, g.inChannels, addresses, results, panels, a, scratch);
        finishRows(y, bias, residual, rows, g.outChannels, floor);
        y += <usize>rows * outBytes;
        if (residual) residual += <usize>rows * outBytes;
      }
    }
  }
}

function finishRows(y: usize, bias: usize, residual: usize, rows: i32, channels: i32, floor: f32): void {
  const low = f32x4.splat(floor);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < channels; c += 4) {
      const o = <usize>c << 2;
      const more = residual ? v128.load(residual + o) : zero();
      const v = f32x4.add(f32x4.add(v128.load(y + o), v128.load(bias + o)), more);
      storeLanes(y + o, f32x4.pmax(v, low), channels - c);
    }
    y += <usize>channels << 2;
    if (residual) residual += <usize>channels << 2;
  }
}
