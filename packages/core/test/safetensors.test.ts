import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CheckpointError, parseSafetensors, type StoredArray, serializeSafetensors } from "../src";

const arrays = new Map<string, StoredArray>([
  ["b", { dtype: "F32", shape: [2, 2], data: Float32Array.of(1, -0, Number.NaN, Number.POSITIVE_INFINITY) }],
  ["a", { dtype: "U8", shape: [3], data: Uint8Array.of(0, 127, 255) }],
  ["scalar", { dtype: "I64", shape: [], data: BigInt64Array.of(-(2n ** 63n)) }],
  ["none", { dtype: "I32", shape: [0, 5], data: new Int32Array(0) }],
]);

// A file with any header and so many bytes of data.
function file(header: unknown, dataBytes: number): Uint8Array {
  const head = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const out = new Uint8Array(8 + head.length + dataBytes);
  new DataView(out.buffer).setBigUint64(0, BigInt(head.length), true);
  out.set(head, 8);
  return out;
}

const entry = (changes: object = {}) => ({ dtype: "F32", shape: [1], data_offsets: [0, 4], ...changes });

describe("safetensors", () => {
  it("reads back what it writes, order and metadata included", () => {
    const metadata = { config: '{"layers":4}', "ä\n": "☃" };
    const got = parseSafetensors(serializeSafetensors(arrays, metadata));
    expect([...got.arrays]).toEqual([...arrays]);
    expect(got.metadata).toEqual(metadata);
  });

  it("round-trips any names, shapes and values", () => {
    const array = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }).chain((shape) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return fc
        .array(fc.float(), { minLength: size, maxLength: size })
        .map((values): StoredArray => ({ dtype: "F32", shape, data: Float32Array.from(values) }));
    });
    const name = fc.string();
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, array), { selector: ([key]) => key, maxLength: 4 }), (entries) => {
        const got = parseSafetensors(serializeSafetensors(new Map(entries))).arrays;
        expect(got).toEqual(new Map(entries));
      }),
      { numRuns: 30 },
    );
  });

  it("writes equal bytes for equal arguments, and starts the data at a multiple of 8", () => {
    const bytes = serializeSafetensors(arrays, { a: "b" });
    expect(serializeSafetensors(new Map(arrays), { a: "b" })).toEqual(bytes);
    expect(new DataView(bytes.buffer).getBigUint64(0, true) % 8n).toBe(0n);
  });

  it("reads from the middle of a larger buffer, and from Node's Buffer, into arrays of their own", () => {
    const bytes = serializeSafetensors(arrays);
    const larger = new Uint8Array(bytes.length + 10);
    larger.set(bytes, 3);
    const views = [larger.subarray(3, 3 + bytes.length), Buffer.concat([Buffer.from("xyz"), bytes]).subarray(3)];
    for (const view of views) {
      const got = parseSafetensors(view).arrays;
      expect([...got]).toEqual([...arrays]);
      view.fill(0);
      expect([...got]).toEqual([...arrays]);
    }
  });

  it("refuses a file that is cut at any byte, or has bytes too many", () => {
    const bytes = serializeSafetensors(arrays, { kind: "test" });
    for (let length = 0; length < bytes.length; length++) {
      expect(() => parseSafetensors(bytes.subarray(0, length), "cut.safetensors"), `${length} bytes`).toThrow(
        CheckpointError,
      );
    }
    const longer = new Uint8Array(bytes.length + 1);
    longer.set(bytes);
    expect(() => parseSafetensors(longer)).toThrow(CheckpointError);
  });

  it("names the file and what to do", () => {
    const run = () => parseSafetensors(new Uint8Array(3), "w.safetensors");
    expect(run).toThrow(
      "w.safetensors: 3 bytes are too few for a header. The file is not a whole safetensors file; get it again.",
    );
    try {
      run();
    } catch (error) {
      expect(error).toMatchObject({ code: "checkpoint", details: { file: "w.safetensors" } });
    }
  });

  const huge = new Uint8Array(16);
  new DataView(huge.buffer).setBigUint64(0, 2n ** 64n - 1n, true);

  it.each<[string, Uint8Array]>([
    ["a header of 2^64 - 1 bytes", huge],
    ["a header that is no JSON", file("{", 0)],
    ["a header that is not UTF-8", Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0xff)],
    ["a header that is an array", file([], 0)],
    ["an entry that is a number", file({ w: 3 }, 4)],
    ["an unknown type", file({ w: entry({ dtype: "F16" }) }, 4)],
    ["the name of an object's method for a type", file({ w: entry({ dtype: "toString" }) }, 4)],
    ["no shape", file({ w: entry({ shape: undefined }) }, 4)],
    ["a negative dimension", file({ w: entry({ shape: [-1] }) }, 4)],
    ["a fractional dimension", file({ w: entry({ shape: [0.5] }) }, 4)],
    ["a shape of 2^52 numbers", file({ w: entry({ shape: [2 ** 26, 2 ** 26] }) }, 4)],
    ["a shape whose product overflows", file({ w: entry({ shape: [2 ** 53 - 1, 2 ** 53 - 1] }) }, 4)],
    ["offsets that are no pair", file({ w: entry({ data_offsets: [0] }) }, 4)],
    ["offsets that go back", file({ w: entry({ data_offsets: [4, 0] }) }, 4)],
    ["offsets behind the end", file({ w: entry({ data_offsets: [4, 8] }) }, 4)],
    ["a size that does not fit the offsets", file({ w: entry({ shape: [2] }) }, 8)],
    ["arrays that share bytes", file({ v: entry(), w: entry() }, 4)],
    ["a gap between arrays", file({ w: entry() }, 8)],
    ["metadata that is a string", file({ __metadata__: "x" }, 0)],
  ])("refuses %s", (_, bytes) => {
    expect(() => parseSafetensors(bytes)).toThrow(CheckpointError);
  });

  it("does not copy arrays that share bytes until the memory is full", () => {
    const size = 2 ** 20;
    const shared = { dtype: "U8", shape: [size], data_offsets: [0, size] };
    const header = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`w${i}`, shared]));
    expect(() => parseSafetensors(file(header, size))).toThrow(CheckpointError);
  });

  it("takes the name of an object's prototype, but not that of the metadata", () => {
    const one: StoredArray = { dtype: "U8", shape: [1], data: Uint8Array.of(7) };
    expect(parseSafetensors(serializeSafetensors(new Map([["__proto__", one]]))).arrays.get("__proto__")).toEqual(one);
    expect(() => serializeSafetensors(new Map([["__metadata__", one]]))).toThrow(CheckpointError);
  });

  it("refuses to write an array whose length does not fit its shape", () => {
    const wrong = new Map<string, StoredArray>([["w", { dtype: "F32", shape: [3], data: new Float32Array(2) }]]);
    expect(() => serializeSafetensors(wrong)).toThrow('"w" of shape [3] needs 12 bytes, got 8.');
    expect(() => serializeSafetensors(wrong)).toThrow(CheckpointError);
  });
});
