// exp and log(1 + t) of four floats at a time, for arguments that the losses need. exp splits off a power of two and takes
// a polynomial of degree 6 (coefficients of Cephes' expf); log(1 + t) on [0, 1] is the series of artanh. V8 builds a vector
// constant anew at each use, with several instructions, so the constants are broadcast from a table on the heap.
import { madd } from "./simd";

export const EXPONENTIAL_TABLE: i32 = 80;

/** Writes the table. */
export function fillExponentialTable(table: usize): void {
  store<f32>(table, 88);
  store<f32>(table, -87, 4);
  store<f32>(table, 1.44269504, 8);
  // ln 2 in two parts: the first has few enough bits for an exact product.
  store<f32>(table, 0.693359375, 12);
  store<f32>(table, -2.12194440e-4, 16);
  store<f32>(table, 1.9875691500e-4, 20);
  store<f32>(table, 1.3981999507e-3, 24);
  store<f32>(table, 8.3334519073e-3, 28);
  store<f32>(table, 4.1665795894e-2, 32);
  store<f32>(table, 1.6666665459e-1, 36);
  store<f32>(table, 5.0000001201e-1, 40);
  store<f32>(table, 1, 44);
  store<f32>(table, 2.0 / 13.0, 48);
  store<f32>(table, 2.0 / 11.0, 52);
  store<f32>(table, 2.0 / 9.0, 56);
  store<f32>(table, 2.0 / 7.0, 60);
  store<f32>(table, 2.0 / 5.0, 64);
  store<f32>(table, 2.0 / 3.0, 68);
  store<f32>(table, 2, 72);
  store<f32>(table, 12582912, 76);
}

/** e^x for x in [-87, 88]; what lies outside is clamped. */
// @ts-ignore: decorator
@inline
export function expVector(x: v128, table: usize): v128 {
  // pmin and pmax are one instruction each where min and max are six, and keep a NaN in their first operand.
  const bounded = f32x4.pmax(f32x4.pmin(x, v128.load32_splat(table)), v128.load32_splat(table, 4));
  // Adding 1.5 * 2^23 rounds to an integer, which stays in the low bits.
  const shifted = madd(bounded, v128.load32_splat(table, 8), v128.load32_splat(table, 76));
  const n = f32x4.sub(shifted, v128.load32_splat(table, 76));
  let r = f32x4.sub(bounded, f32x4.mul(n, v128.load32_splat(table, 12)));
  r = f32x4.sub(r, f32x4.mul(n, v128.load32_splat(table, 16)));
  let p = madd(r, v128.load32_splat(table, 20), v128.load32_splat(table, 24));
  p = madd(p, r, v128.load32_splat(table, 28));
  p = madd(p, r, v128.load32_splat(table, 32));
  p = madd(p, r, v128.load32_splat(table, 36));
  p = madd(p, r, v128.load32_splat(table, 40));
  // The bits of 1 are the exponent's bias.
  const value = f32x4.add(madd(p, f32x4.mul(r, r), r), v128.load32_splat(table, 44));
  const power = i32x4.add(i32x4.shl(shifted, 23), v128.load32_splat(table, 44));
  return f32x4.mul(value, power);
}

/** log(1 + t) for t in [0, 1], given s = t / (2 + t): 2 artanh(s), which keeps its digits for small t. */
// @ts-ignore: decorator
@inline
export function log1pVector(s: v128, table: usize): v128 {
  const q = f32x4.mul(s, s);
  let p = madd(q, v128.load32_splat(table, 48), v128.load32_splat(table, 52));
  p = madd(p, q, v128.load32_splat(table, 56));
  p = madd(p, q, v128.load32_splat(table, 60));
  p = madd(p, q, v128.load32_splat(table, 64));
  p = madd(p, q, v128.load32_splat(table, 68));
  p = madd(p, q, v128.load32_splat(table, 72));
  return f32x4.mul(p, s);
}
