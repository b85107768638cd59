// The larger or the smaller of two values, elementwise; b may be a single value for all. NaN wins, as in Math.max.

export function extremum(a: usize, b: usize, out: usize, size: i32, single: bool, larger: bool): void {
  if (larger) extrema(a, b, out, size, single, true);
  else extrema(a, b, out, size, single, false);
}

// @ts-ignore: decorator
@inline
function extrema(a: usize, b: usize, out: usize, size: i32, single: bool, larger: bool): void {
  const step: usize = single ? 0 : 16;
  const repeated = v128.load32_splat(b);
  let i = 0;
  for (; i + 4 <= size; i += 4) {
    const left = v128.load(a);
    const right = single ? repeated : v128.load(b);
    v128.store(out, larger ? f32x4.max(left, right) : f32x4.min(left, right));
    a += 16;
    b += step;
    out += 16;
  }
  for (; i < size; i++) {
    const left = load<f32>(a);
    const right = load<f32>(b);
    store<f32>(out, larger ? max(left, right) : min(left, right));
    a += 4;
    b += single ? 0 : 4;
    out += 4;
  }
}
