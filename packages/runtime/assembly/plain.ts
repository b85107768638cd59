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
