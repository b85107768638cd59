import { describe, expect, it } from "vitest";
import { memoryShelf, takeRoom } from "../src/loader/batch-memory";

const floats = (length: number) => new Float32Array(length);

describe("takeRoom", () => {
  it("uses memory that is large enough, and says whether it is clear", () => {
    const memory = new ArrayBuffer(40);
    const room = takeRoom(8, { memory, used: true });
    expect([room.values.buffer, room.values.length, room.used]).toEqual([memory, 8, true]);
    expect(takeRoom(8, { memory, used: false }).used).toBe(false);
    expect(takeRoom(11, { memory, used: true })).toEqual({ values: floats(11), used: false });
    expect(takeRoom(3)).toEqual({ values: floats(3), used: false });
  });
});

describe("a shelf", () => {
  it("gives the smallest that is large enough, once", () => {
    const shelf = memoryShelf(3);
    const [small, large] = [floats(10), floats(20)];
    for (const images of [large, small, small]) shelf.reclaim(images);
    expect(shelf.take(5)?.memory).toBe(small.buffer);
    expect(shelf.take(5)?.memory).toBe(large.buffer);
    expect(shelf.take(5)).toBeUndefined();
  });

  it("holds no more than it may, and lets the smallest go", () => {
    const shelf = memoryShelf(2);
    for (const length of [30, 10, 20]) shelf.reclaim(floats(length));
    expect(shelf.take(1)?.memory.byteLength).toBe(80);
    expect(shelf.take(1)?.memory.byteLength).toBe(120);
    expect(shelf.take(1)).toBeUndefined();
    shelf.reclaim(floats(4));
    shelf.clear();
    expect(shelf.take(1)).toBeUndefined();
  });
});

describe("a shelf of shared memory", () => {
  it("makes none before the first batch comes back, and never more than it may", () => {
    const shelf = memoryShelf(2, true);
    expect(shelf.take(4)).toBeUndefined();
    shelf.reclaim(floats(4));
    const [first, second] = [shelf.take(4), shelf.take(4)];
    expect([first?.used, second?.used]).toEqual([false, false]);
    expect(first?.memory).toBeInstanceOf(SharedArrayBuffer);
    expect(shelf.take(4)).toBeUndefined();
    shelf.reclaim(new Float32Array(first!.memory));
    expect(shelf.take(4)).toEqual({ memory: first!.memory, used: true });
  });

  it("trades a piece that is too small for one that is not", () => {
    const shelf = memoryShelf(1, true);
    shelf.reclaim(floats(1));
    const small = shelf.take(4)!;
    shelf.reclaim(new Float32Array(small.memory));
    expect(shelf.take(9)).toMatchObject({ used: false, memory: { byteLength: 36 } });
    expect(shelf.take(9)).toBeUndefined();
  });
});
