// exp and log of four floats at a time, for arguments that the losses need. Relative error below 2e-7 each: exp by halving
// the exponent's range around a power of two and a polynomial of degree 6, log(1 + t) on [0, 1] by the series of artanh.
import { madd } from "./simd";

/** e^x for x in [-87, 88]; what lies outside is clamped. */
// @ts-ignore: decorator
@inline
export function expVector(x: v128): v128 {
  const bounded = f32x4.max(f32x4.min(x, f32x4.splat(88)), f32x4.splat(-87));
  const n = f32x4.nearest(f32x4.mul(bounded, f32x4.splat(1.44269504)));
  // ln 2 in two parts: the first has few enough bits for an exact product.
  let r = f32x4.sub(bounded, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.add(r, f32x4.mul(n, f32x4.splat(2.12194440e-4)));
  let p = madd(r, f32x4.splat(1.9875691500e-4), f32x4.splat(1.3981999507e-3));
  p = madd(p, r, f32x4.splat(8.3334519073e-3));
  p = madd(p, r, f32x4.splat(4.1665795894e-2));
  p = madd(p, r, f32x4.splat(1.6666665459e-1));
  p = madd(p, r, f32x4.splat(5.0000001201e-1));
  const value = f32x4.add(madd(p, f32x4.mul(r, r), r), f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23);
  return f32x4.mul(value, power);
}

/** log(1 + t) for t in [0, 1], exact to the relative precision for small t: 2 artanh(t / (2 + t)). */
// @ts-ignore: decorator
@inline
export function log1pVector(t: v128): v128 {
  const s = f32x4.div(t, f32x4.add(t, f32x4.splat(2)));
  const q = f32x4.mul(s, s);
  let p = madd(q, f32x4.splat(2.0 / 15.0), f32x4.splat(2.0 / 13.0));
  p = madd(p, q, f32x4.splat(2.0 / 11.0));
  p = madd(p, q, f32x4.splat(2.0 / 9.0));
  p = madd(p, q, f32x4.splat(2.0 / 7.0));
  p = madd(p, q, f32x4.splat(2.0 / 5.0));
  p = madd(p, q, f32x4.splat(2.0 / 3.0));
  p = madd(p, q, f32x4.splat(2));
  return f32x4.mul(p, s);
}
