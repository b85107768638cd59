// One matrix product C [m, n] = op(A) op(B) with either operand transposed; batches are looped over outside.
import {
  blockBytes,
  blockRows,
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

/** Depth of one block when A is transposed. */
const DEPTH_BLOCK: i32 = 256;

export function matMulScratch(m: i32, n: i32, k: i32, transposeA: bool): i32 {
  if (transposeA) {
    const depth = min(k, DEPTH_BLOCK);
    return TILE_BYTES + depth * 4 + depth * ceilDiv(m, TILE_ROWS) * TILE_ROWS * 4 + packedBytes(depth, n);
  }
  return TILE_BYTES + blockRows(k) * 8 + blockBytes(k) + packedBytes(k, n);
}

export function matMul(
  a: usize,
  b: usize,
  c: usize,
  m: i32,
  n: i32,
  k: i32,
  transposeA: bool,
  transposeB: bool,
  scratch: usize,
): void {
  if (transposeA) productTransposed(a, b, c, m, n, k, transposeB, scratch);
  else productRows(a, b, c, m, n, k, transposeB, scratch);
}

function productRows(a: usize, b: usize, c: usize, m: i32, n: i32, k: i32, transposeB: bool, scratch: usize): void {
  const block = blockRows(k);
  const addresses = scratch + TILE_BYTES;
  const results = addresses + block * 4;
  const packedA = results + block * 4;
  const packed = packedA + blockBytes(k);
  if (transposeB) packColumns(b, k << 2, k, n, packed, 0, k);
  else packRows(b, n << 2, k, n, packed, 0, k);
  for (let start = 0; start < m; start += block) {
    const rows = min(block, m - start);
    const padded = ceilDiv(rows, TILE_ROWS) * TILE_ROWS;
    for (let r = 0; r < padded; r++) {
      const row = <usize>(start + min(r, rows - 1));
      store<u32>(addresses + (r << 2), <u32>(a + row * (k << 2)));
      store<u32>(results + (r << 2), <u32>(c + row * (n << 2)));
    }
    multiplyRows(rows, n, 1, k, addresses, results, packed, packedA, scratch);
  }
}

function productTransposed(
  a: usize,
  b: usize,
  c: usize,
  m: i32,
  n: i32,
  k: i32,
  transposeB: bool,
  scratch: usize,
): void {
  const block = min(k, DEPTH_BLOCK);
  const addresses = scratch + TILE_BYTES;
  const packedA = addresses + block * 4;
  const packedB = packedA + block * ceilDiv(m, TILE_ROWS) * TILE_ROWS * 4;
  for (let start = 0; start < k; start += block) {
    const depth = min(block, k - start);
    for (let i = 0; i < depth; i++) store<u32>(addresses + (i << 2), <u32>(a + <usize>(start + i) * (m << 2)));
    packTransposed(addresses, depth, m, packedA);
    if (transposeB) packColumns(b + (start << 2), k << 2, depth, n, packedB, 0, depth);
    else packRows(b + <usize>start * (n << 2), n << 2, depth, n, packedB, 0, depth);
    multiplyTransposed(m, n, depth, packedA, packedB, c, start > 0, scratch);
  }
}
