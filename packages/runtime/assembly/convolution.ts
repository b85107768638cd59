// Dense 2D convolution over NHWC: forward, gradient of the input, gradient of the filter. All are products without an
// im2col buffer: tables of row addresses (or packed panels) stand for the windows; what lies in the padding points to a
// row of zeros. A strided input gradient is split by phase, so that each input pixel meets only the taps that reached it.
import { Geometry } from "./geometry";
import {
  blockBytes,
  blockRows,
  MAX_BLOCK_ROWS,
  multiplyRows,
  multiplyTransposed,
  packColumns,
  packedBytes,
  packRows,
  packTransposed,
  TILE_BYTES,
  TILE_ROWS,
} from "./gemm";
import { ceilDiv } from "./simd";

/** Pixels of one block of a filter gradient. */
const FILTER_BLOCK: i32 = 256;

function rowsScratch(taps: i32, depth: i32, columns: i32): i32 {
  const width = taps * depth;
  const tables = MAX_BLOCK_ROWS * 4 * (taps + 1);
  return TILE_BYTES + (depth << 2) + tables + blockBytes(width) + packedBytes(width, columns);
}

export function conv2dScratch(g: Geometry): i32 {
  return rowsScratch(g.filterHeight * g.filterWidth, g.inChannels, g.outChannels);
}

export function conv2dBackpropInputScratch(g: Geometry): i32 {
  return rowsScratch(g.filterHeight * g.filterWidth, g.outChannels, g.inChannels);
}

export function conv2dBackpropFilterScratch(g: Geometry): i32 {
  const panels = FILTER_BLOCK * ceilDiv(g.inChannels, TILE_ROWS) * TILE_ROWS * 4;
  return TILE_BYTES + (g.inChannels << 2) + FILTER_BLOCK * 4 + panels + packedBytes(FILTER_BLOCK, g.outChannels);
}

export function conv2d(g: Geometry, x: usize, filter: usize, y: usize, scratch: usize): void {
  const taps = g.filterHeight * g.filterWidth;
  const inBytes = g.inChannels << 2;
  const outBytes = g.outChannels << 2;
  const depth = taps * g.inChannels;
  const block = blockRows(depth);
  const zeros = scratch + TILE_BYTES;
  const addresses = zeros + inBytes;
  const results = addresses + block * taps * 4;
  const a = results + block * 4;
  const packed = a + blockBytes(depth);
  memory.fill(zeros, 0, inBytes);
  packRows(filter, outBytes, depth, g.outChannels, packed, 0, depth);

  const pixels = g.batch * g.outHeight * g.outWidth;
  let oy = 0, ox = 0, image = x;
  const imageBytes = <usize>(g.inHeight * g.inWidth) * inBytes;
  for (let start = 0; start < pixels; start += block) {
    const rows = min(block, pixels - start);
    for (let r = 0; r < rows; r++) {
      const group = r / TILE_ROWS;
      let at = addresses + <usize>(group * taps * 20 + (r - group * TILE_ROWS) * 4);
      const top = oy * g.strideHeight - g.padTop;
      const left = ox * g.strideWidth - g.padLeft;
      for (let ty = 0; ty < g.filterHeight; ty++) {
        const iy = top + ty;
        const inside = <u32>iy < <u32>g.inHeight;
        for (let tx = 0; tx < g.filterWidth; tx++) {
          const ix = left + tx;
          const reached = inside && <u32>ix < <u32>g.inWidth;
          store<u32>(at, <u32>(reached ? image + <usize>(iy * g.inWidth + ix) * inBytes : zeros));
          at += 20;
        }
      }
      store<u32>(results + (r << 2), <u32>(y + <usize>(start + r) * outBytes));
      if (++ox == g.outWidth) {
        ox = 0;
        if (++oy == g.outHeight) {
          oy = 0;
          image += imageBytes;
        }
      }
    }
    repeatLast(rows, taps, addresses, results);
    multiplyRows(rows, g.outChannels, taps, g.inChannels, addresses, results, packed, a, scratch);
  }
}

/** Fills the last group of five with copies of its last row. */
function repeatLast(rows: i32, taps: i32, addresses: usize, results: usize): void {
  const group = (rows - 1) / TILE_ROWS;
  const used = rows - group * TILE_ROWS;
  const base = addresses + <usize>(group * taps * 20);
  for (let tap = 0; tap < taps; tap++) {
    const at = base + tap * 20;
    const last = load<u32>(at + ((used - 1) << 2));
    for (let i = used; i < TILE_ROWS; i++) store<u32>(at + (i << 2), last);
  }
  const row = load<u32>(results + ((rows - 1) << 2));
  for (let r = rows; r < (group + 1) * TILE_ROWS; r++) store<u32>(results + (r << 2), row);
}

export function conv2dBackpropInput(g: Geometry, dy: usize, filter: usize, dx: usize, scratch: usize): void {
  const strideY = g.strideHeight;
  const strideX = g.strideWidth;
  // A phase that no tap reaches has a zero gradient.
  if (strideY > g.filterHeight || strideX > g.filterWidth) {
    memory.fill(dx, 0, <usize>(g.batch * g.inHeight * g.inWidth) * (g.inChannels << 2));
  }
  memory.fill(scratch + TILE_BYTES, 0, g.outChannels << 2);
  for (let py = 0; py < min(strideY, g.inHeight); py++) {
    for (let px = 0; px < min(strideX, g.inWidth); px++) inputPhase(g, dy, filter, dx, scratch, py, px);
  }
}

function inputPhase(g: Geometry, dy: usize, filter: usize, dx: usize, scratch: usize, py: i32, px: i32): void {
  const strideY = g.strideHeight;
  const strideX = g.strideWidth;
  const firstY = (py + g.padTop) % strideY;
  const firstX = (px + g.padLeft) % strideX;
  if (firstY >= g.filterHeight || firstX >= g.filterWidth) return;
  const tapsY = ceilDiv(g.filterHeight - firstY, strideY);
  const tapsX = ceilDiv(g.filterWidth - firstX, strideX);
  const taps = tapsY * tapsX;
  const inBytes = g.inChannels << 2;
  const outBytes = g.outChannels << 2;
  const depth = taps * g.outChannels;
  const block = blockRows(depth);
  const zeros = scratch + TILE_BYTES;
  const addresses = zeros + outBytes;
  const results = addresses + block * taps * 4;
  const a = results + block * 4;
  const packed = a + blockBytes(depth);
  for (let ty = 0; ty < tapsY; ty++) {
    for (let tx = 0; tx < tapsX; tx++) {
      const tap = (firstY + ty * strideY) * g.filterWidth + firstX + tx * strideX;
      const source = filter + <usize>(tap * g.inChannels) * outBytes;
      packColumns(source, outBytes, g.outChannels, g.inChannels, packed, (ty * tapsX + tx) * g.outChannels, depth);
    }
  }

  const phaseHeight = ceilDiv(g.inHeight - py, strideY);
  const phaseWidth = ceilDiv(g.inWidth - px, strideX);
  const baseY = (py + g.padTop - firstY) / strideY;
  const baseX = (px + g.padLeft - firstX) / strideX;
  const pixels = g.batch * phaseHeight * phaseWidth;
  let qy = 0, qx = 0, b = 0;
  for (let start = 0; start < pixels; start += block) {
    const rows = min(block, pixels - start);
    for (let r = 0; r < rows; r++) {
      const group = r / TILE_ROWS;
      let at = addresses + <usize>(group * taps * 20 + (r - group * TILE_ROWS) * 4);
      for (let ty = 0; ty < tapsY; ty++) {
        const oy = qy + baseY - ty;
        const inside = <u32>oy < <u32>g.outHeight;
        for (let tx = 0; tx < tapsX; tx++) {
          const ox = qx + baseX - tx;
          const reached = inside && <u32>ox < <u32>g.outWidth;
          const pixel = <usize>((b * g.outHeight + oy) * g.outWidth + ox);
          store<u32>(at, <u32>(reached ? dy + pixel * outBytes : zeros));
          at += 20;
        }
      }
      const pixel = <usize>((b * g.inHeight + py + qy * strideY) * g.inWidth + px + qx * strideX);
      store<u32>(results + (r << 2), <u32>(dx + pixel * inBytes));
      if (++qx == phaseWidth) {
        qx = 0;
        if (++qy == phaseHeight) {
          qy = 0;
          b++;
        }
      }
    }
    repeatLast(rows, taps, addresses, results);
    multiplyRows(rows, g.inChannels, taps, g.outChannels, addresses, results, packed, a, scratch);
  }
}

export function conv2dBackpropFilter(g: Geometry, x: usize, dy: usize, dfilter: usize, scratch: usize): void {
  const inBytes = g.inChannels << 2;
  const outBytes = g.outChannels << 2;
  const zeros = scratch + TILE_BYTES;
  const addresses = zeros + inBytes;
  const a = addresses + FILTER_BLOCK * 4;
  const b = a + FILTER_BLOCK * ceilDiv(g.inChannels, TILE_ROWS) * TILE_ROWS * 4;
  memory.fill(zeros, 0, inBytes);
  const pixels = g.batch * g.outHeight * g.outWidth;
  for (let start = 0; start < pixels; start += FILTER_BLOCK) {
    const count = min(FILTER_BLOCK, pixels - start);
    packRows(dy + <usize>start * outBytes, outBytes, count, g.outChannels, b, 0, count);
    let c = dfilter;
    for (let ty = 0; ty < g.filterHeight; ty++) {
      for (let tx = 0; tx < g.filterWidth; tx++) {
        windowAddresses(g, x, zeros, start, count, ty - g.padTop, tx - g.padLeft, addresses);
        packTransposed(addresses, count, g.inChannels, a);
        multiplyTransposed(g.inChannels, g.outChannels, count, a, b, c, start > 0, scratch);
        c += <usize>g.inChannels * outBytes;
      }
    }
  }
}

/** The input pixel that each of `count` output pixels from `start` meets at one tap. */
function windowAddresses(
  g: Geometry,
  x: usize,
  zeros: usize,
  start: i32,
  count: i32,
  offsetY: i32,
  offsetX: i32,
  addresses: usize,
): void {
  const area = g.outHeight * g.outWidth;
  let b = start / area;
  let oy = (start - b * area) / g.outWidth;
  let ox = start - b * area - oy * g.outWidth;
  for (let k = 0; k < count; k++) {
    const iy = oy * g.strideHeight + offsetY;
    const ix = ox * g.strideWidth + offsetX;
    const reached = <u32>iy < <u32>g.inHeight && <u32>ix < <u32>g.inWidth;
    const pixel = <usize>((b * g.inHeight + iy) * g.inWidth + ix);
    store<u32>(addresses + (k << 2), <u32>(reached ? x + pixel * (g.inChannels << 2) : zeros));
    if (++ox == g.outWidth) {
      ox = 0;
      if (++oy == g.outHeight) {
        oy = 0;
        b++;
      }
    }
  }
}
