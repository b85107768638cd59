// The two register-blocked matrix products that the convolutions and BatchMatMul are made of, and the packing of their
// operands. Tiles are 5 rows by 8 columns: ten accumulators, two vectors of B, one of A and one product are the fourteen
// registers that V8 leaves on x64; a sixth row or a third vector spills. Panels of B hold 8 columns, zero-padded.
import { ceilDiv, madd, zero } from "./simd";

export const TILE_ROWS: i32 = 5;
export const TILE_COLUMNS: i32 = 8;
const TILE_FLOAT_BYTES: i32 = 160;
/** One tile of floats, for tiles that overhang the result, and the addresses of its rows. */
export const TILE_BYTES: i32 = 192;

/** Bytes of B packed in panels of 8 columns. */
export function packedBytes(depth: i32, columns: i32): i32 {
  return depth * ceilDiv(columns, TILE_COLUMNS) * TILE_COLUMNS * 4;
}

/**
 * Packs `depth` rows of `columns` floats into panels [panel][row][8]. A panel holds `panelDepth` rows, of which these
 * begin at `row0`.
 */
export function packRows(
  source: usize,
  stride: i32,
  depth: i32,
  columns: i32,
  out: usize,
  row0: i32,
  panelDepth: i32,
): void {
  const full = columns >> 3;
  const rest = columns & 7;
  for (let k = 0; k < depth; k++) {
    let from = source + <usize>k * stride;
    let to = out + (<usize>(row0 + k) << 5);
    for (let j = 0; j < full; j++) {
      v128.store(to, v128.load(from), 0);
      v128.store(to, v128.load(from, 16), 16);
      from += 32;
      to += <usize>panelDepth << 5;
    }
    if (rest) {
      for (let j = 0; j < 8; j++) store<f32>(to + (j << 2), j < rest ? load<f32>(from + (j << 2)) : 0);
    }
  }
}

/** As `packRows` for a B that lies transposed: `columns` rows of `depth` floats. */
export function packColumns(
  source: usize,
  stride: i32,
  depth: i32,
  columns: i32,
  out: usize,
  row0: i32,
  panelDepth: i32,
): void {
  const panels = ceilDiv(columns, TILE_COLUMNS);
  for (let p = 0; p < panels; p++) {
    const to = out + ((<usize>p * panelDepth + row0) << 5);
    const count = min(8, columns - (p << 3));
    const from = source + <usize>(p << 3) * stride;
    if (count == 8) {
      packEightColumns(from, stride, depth, to);
    } else {
      for (let k = 0; k < depth; k++) {
        for (let j = 0; j < 8; j++) {
          const value = j < count ? load<f32>(from + <usize>j * stride + (k << 2)) : 0;
          store<f32>(to + (k << 5) + (j << 2), value);
        }
      }
    }
  }
}

function packEightColumns(from: usize, stride: i32, depth: i32, to: usize): void {
  const whole = depth & ~3;
  for (let half = 0; half < 2; half++) {
    const r0 = from + <usize>(half << 2) * stride;
    const r1 = r0 + stride;
    const r2 = r1 + stride;
    const r3 = r2 + stride;
    const base = to + (half << 4);
    let k = 0;
    for (; k < whole; k += 4) {
      const o = <usize>k << 2;
      transposeFour(v128.load(r0 + o), v128.load(r1 + o), v128.load(r2 + o), v128.load(r3 + o), base + (<usize>k << 5), 32);
    }
    for (; k < depth; k++) {
      const o = <usize>k << 2;
      const at = base + (<usize>k << 5);
      store<f32>(at, load<f32>(r0 + o));
      store<f32>(at, load<f32>(r1 + o), 4);
      store<f32>(at, load<f32>(r2 + o), 8);
      store<f32>(at, load<f32>(r3 + o), 12);
    }
  }
}

/** Stores the transpose of four vectors at `to`, `to + step`, ... */
// @ts-ignore: decorator
@inline
export function transposeFour(a: v128, b: v128, c: v128, d: v128, to: usize, step: usize): void {
  const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const cd1 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(ab0, cd0, 0, 1, 4, 5));
  v128.store(to + step, v128.shuffle<f32>(ab0, cd0, 2, 3, 6, 7));
  v128.store(to + 2 * step, v128.shuffle<f32>(ab1, cd1, 0, 1, 4, 5));
  v128.store(to + 3 * step, v128.shuffle<f32>(ab1, cd1, 2, 3, 6, 7));
}

/** Interleaves five rows (`addresses` [5]) into a panel [depth][5]. */
function packRowGroup(addresses: usize, depth: i32, out: usize): void {
  let r0 = <usize>load<u32>(addresses);
  let r1 = <usize>load<u32>(addresses, 4);
  let r2 = <usize>load<u32>(addresses, 8);
  let r3 = <usize>load<u32>(addresses, 12);
  let r4 = <usize>load<u32>(addresses, 16);
  const whole = depth & ~3;
  let k = 0;
  for (; k < whole; k += 4) {
    transposeFour(v128.load(r0), v128.load(r1), v128.load(r2), v128.load(r3), out, 20);
    const last = v128.load(r4);
    v128.store32_lane(out, last, 0, 16);
    v128.store32_lane(out, last, 1, 36);
    v128.store32_lane(out, last, 2, 56);
    v128.store32_lane(out, last, 3, 76);
    r0 += 16;
    r1 += 16;
    r2 += 16;
    r3 += 16;
    r4 += 16;
    out += 80;
  }
  for (; k < depth; k++) {
    store<f32>(out, load<f32>(r0));
    store<f32>(out, load<f32>(r1), 4);
    store<f32>(out, load<f32>(r2), 8);
    store<f32>(out, load<f32>(r3), 12);
    store<f32>(out, load<f32>(r4), 16);
    r0 += 4;
    r1 += 4;
    r2 += 4;
    r3 += 4;
    r4 += 4;
    out += 20;
  }
}

/**
 * All column panels for one block of rows. `addresses` is [ceil(rows / 5)][taps][5], `results` [ceil(rows / 5)][5],
 * `panels` the packed B with taps · depth rows each, `packed` room for the block of A. Overhanging rows repeat the last
 * address.
 */
export function multiplyRows(
  rows: i32,
  columns: i32,
  taps: i32,
  depth: i32,
  addresses: usize,
  results: usize,
  panels: usize,
  packed: usize,
  spill: usize,
): void {
  const groups = ceilDiv(rows, TILE_ROWS);
  const groupBytes = <usize>depth * 20;
  const tapBytes = <usize>depth << 5;
  for (let g = 0; g < groups; g++) {
    for (let tap = 0; tap < taps; tap++) {
      packRowGroup(addresses, depth, packed + <usize>(tap * groups + g) * groupBytes);
      addresses += 20;
    }
  }
  for (let j = 0; j < columns; j += TILE_COLUMNS) {
    const count = min(TILE_COLUMNS, columns - j);
    let a = packed;
    for (let tap = 0; tap < taps; tap++) {
      let to = results;
      for (let g = 0; g < groups; g++) {
        tile(depth, a, panels, to, <usize>j << 2, min(TILE_ROWS, rows - g * TILE_ROWS), count, tap > 0, spill);
        a += groupBytes;
        to += 20;
      }
      panels += tapBytes;
    }
  }
}

/** No block has more rows. */
export const MAX_BLOCK_ROWS: i32 = 400;
const MIN_BLOCK_ROWS: i32 = 20;
/** Floats of a packed block: half of a 512 KiB cache. */
const BLOCK_FLOATS: i32 = 65536;

/** Rows of a block that is `width` = taps · depth wide; a multiple of 5. */
export function blockRows(width: i32): i32 {
  const rows = BLOCK_FLOATS / max(1, width);
  return max(MIN_BLOCK_ROWS, min(MAX_BLOCK_ROWS, rows - (rows % TILE_ROWS)));
}

/** Bytes that hold a packed block of this or a smaller width. */
export function blockBytes(width: i32): i32 {
  return max(BLOCK_FLOATS, MIN_BLOCK_ROWS * width) * 4;
}

/** Copies rows (by address) of A into panels [panel][k][5], zero-padded: A transposed, `columns` of it. */
export function packTransposed(addresses: usize, depth: i32, columns: i32, out: usize): void {
  const full = columns / TILE_ROWS;
  const rest = columns - full * TILE_ROWS;
  const step = <usize>depth * 20;
  for (let k = 0; k < depth; k++) {
    let from = <usize>load<u32>(addresses + (<usize>k << 2));
    let to = out + <usize>k * 20;
    for (let p = 0; p < full; p++) {
      v128.store(to, v128.load(from));
      store<f32>(to, load<f32>(from, 16), 16);
      from += 20;
      to += step;
    }
    if (rest) {
      for (let i = 0; i < TILE_ROWS; i++) store<f32>(to + (i << 2), i < rest ? load<f32>(from + (i << 2)) : 0);
    }
  }
}

/**
 * One tile: a panel of A [depth][5] times a panel of B [depth][8], into or onto the rows of C whose addresses are in
 * `results` [5], at column byte `column`.
 */
function tile(
  depth: i32,
  a: usize,
  b: usize,
  results: usize,
  column: usize,
  rows: i32,
  count: i32,
  add: bool,
  spill: usize,
): void {
  let c00 = zero(), c01 = zero(), c10 = zero(), c11 = zero(), c20 = zero(), c21 = zero();
  let c30 = zero(), c31 = zero(), c40 = zero(), c41 = zero();
  for (let k = 0; k < depth; k++) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load32_splat(a);
    c00 = madd(a0, b0, c00);
    c01 = madd(a0, b1, c01);
    const a1 = v128.load32_splat(a, 4);
    c10 = madd(a1, b0, c10);
    c11 = madd(a1, b1, c11);
    const a2 = v128.load32_splat(a, 8);
    c20 = madd(a2, b0, c20);
    c21 = madd(a2, b1, c21);
    const a3 = v128.load32_splat(a, 12);
    c30 = madd(a3, b0, c30);
    c31 = madd(a3, b1, c31);
    const a4 = v128.load32_splat(a, 16);
    c40 = madd(a4, b0, c40);
    c41 = madd(a4, b1, c41);
    a += 20;
    b += 32;
  }
  if (rows == TILE_ROWS && count == 8) {
    storeRow(<usize>load<u32>(results) + column, c00, c01, add);
    storeRow(<usize>load<u32>(results, 4) + column, c10, c11, add);
    storeRow(<usize>load<u32>(results, 8) + column, c20, c21, add);
    storeRow(<usize>load<u32>(results, 12) + column, c30, c31, add);
    storeRow(<usize>load<u32>(results, 16) + column, c40, c41, add);
    return;
  }
  v128.store(spill, c00);
  v128.store(spill, c01, 16);
  v128.store(spill, c10, 32);
  v128.store(spill, c11, 48);
  v128.store(spill, c20, 64);
  v128.store(spill, c21, 80);
  v128.store(spill, c30, 96);
  v128.store(spill, c31, 112);
  v128.store(spill, c40, 128);
  v128.store(spill, c41, 144);
  for (let i = 0; i < rows; i++) {
    const at = <usize>load<u32>(results + (i << 2)) + column;
    for (let j = 0; j < count; j++) {
      const value = load<f32>(spill + (i << 5) + (j << 2));
      store<f32>(at + (j << 2), add ? load<f32>(at + (j << 2)) + value : value);
    }
  }
}

// @ts-ignore: decorator
@inline
function storeRow(at: usize, low: v128, high: v128, add: bool): void {
  if (add) {
    low = f32x4.add(low, v128.load(at));
    high = f32x4.add(high, v128.load(at, 16));
  }
  v128.store(at, low);
  v128.store(at, high, 16);
}

/** C [rows, columns] = (or +=) Aᵀ B, with A in panels of 5 and B in panels of 8, both `depth` deep. */
export function multiplyTransposed(
  rows: i32,
  columns: i32,
  depth: i32,
  a: usize,
  b: usize,
  c: usize,
  add: bool,
  spill: usize,
): void {
  const stride = columns << 2;
  const results = spill + TILE_FLOAT_BYTES;
  for (let i = 0; i < rows; i += TILE_ROWS) {
    const count = min(TILE_ROWS, rows - i);
    for (let r = 0; r < TILE_ROWS; r++) store<u32>(results + (r << 2), <u32>(c + <usize>(i + r) * stride));
    let panel = b;
    for (let j = 0; j < columns; j += TILE_COLUMNS) {
      tile(depth, a, panel, results, <usize>j << 2, count, min(TILE_COLUMNS, columns - j), add, spill);
      panel += <usize>depth << 5;
    }
    a += <usize>depth * 20;
  }
}
