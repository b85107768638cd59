// Plain passes over memory: fill, and sums of rows by segment.

/** Sets `count` floats. */
export function fill(to: usize, count: i32, value: f32): void {
  if (value == 0) {
    memory.fill(to, 0, <usize>count << 2);
    return;
  }
  for (let i = 0; i < count; i++) store<f32>(to + (<usize>i << 2), value);
}

/** Adds each row of x [rows, size] to the row of out [segments, size] that its id names; other ids are dropped. */
export function segmentSum(x: usize, ids: usize, out: usize, rows: i32, size: i32, segments: i32): void {
  const bytes = <usize>size << 2;
  memory.fill(out, 0, <usize>segments * bytes);
  const whole = size & ~3;
  for (let r = 0; r < rows; r++) {
    const id = load<i32>(ids + (<usize>r << 2));
    const from = x + <usize>r * bytes;
    if (<u32>id >= <u32>segments) continue;
    const to = out + <usize>id * bytes;
    let i = 0;
    for (; i < whole; i += 4) {
      const o = <usize>i << 2;
      v128.store(to + o, f32x4.add(v128.load(to + o), v128.load(from + o)));
    }
    for (; i < size; i++) {
      const o = <usize>i << 2;
      store<f32>(to + o, load<f32>(to + o) + load<f32>(from + o));
    }
  }
}

/** out [outer, count, size] takes the slices of x [outer, dimension, size] that `ids` name; four bytes an element. */
export function gatherSlices(
  x: usize,
  ids: usize,
  out: usize,
  outer: i32,
  dimension: i32,
  count: i32,
  size: i32,
): void {
  const bytes = <usize>size << 2;
  for (let b = 0; b < outer; b++) {
    for (let i = 0; i < count; i++) {
      memory.copy(out, x + <usize>load<i32>(ids + (<usize>i << 2)) * bytes, bytes);
      out += bytes;
    }
    x += <usize>dimension * bytes;
  }
}

/** out [outer, repeats, size] repeats each slice of x [outer, size]; four bytes an element. */
export function repeatSlices(x: usize, out: usize, outer: i32, size: i32, repeats: i32): void {
  const bytes = <usize>size << 2;
  for (let b = 0; b < outer; b++) {
    if (size == 1) {
      const value = v128.load32_splat(x);
      let i = 0;
      for (; i + 4 <= repeats; i += 4) v128.store(out + (<usize>i << 2), value);
      for (; i < repeats; i++) store<f32>(out + (<usize>i << 2), load<f32>(x));
    } else {
      for (let i = 0; i < repeats; i++) memory.copy(out + <usize>i * bytes, x, bytes);
    }
    x += bytes;
    out += <usize>repeats * bytes;
  }
}
