// The wire format, against a reader written from its description and the numbers that it gives as examples.

import { describe, expect, it } from "vitest";
import { createRandom } from "../src";
import {
  joinMessage,
  message,
  writeBytes,
  writeDouble,
  writeDoubles,
  writeFloat,
  writeInt,
  writeMessage,
  writeText,
} from "../src/protobuf";

/** Reads a varint as an unsigned 64-bit number. */
function readVarint(bytes: Uint8Array, from: number): { value: bigint; end: number } {
  let value = 0n;
  for (let at = from; ; at++) {
    value |= BigInt(bytes[at]! & 127) << BigInt(7 * (at - from));
    if (bytes[at]! < 128) return { value, end: at + 1 };
  }
}

describe("integers", () => {
  it("are written as the description has it", () => {
    const out = message();
    writeInt(out, 1, 150);
    expect([...joinMessage(out)]).toEqual([0x08, 0x96, 0x01]);
  });

  it.each([0, 1, 127, 128, 16384, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER, -1, -2, -(2 ** 40)])("%s", (value) => {
    const out = message();
    writeInt(out, 20, value);
    const bytes = joinMessage(out);
    const field = readVarint(bytes, 0);
    expect(field.value).toBe(160n);
    const read = readVarint(bytes, field.end);
    expect(read.end).toBe(bytes.length);
    expect(BigInt.asIntN(64, read.value)).toBe(BigInt(value));
  });

  it("are read back for random fields and values", () => {
    const random = createRandom(0);
    for (let i = 0; i < 500; i++) {
      const value = Math.floor((random.next() - 0.5) * 2 ** Math.ceil(53 * random.next()));
      const number = 1 + Math.floor(random.next() * 1000);
      const out = message();
      writeInt(out, number, value);
      const bytes = joinMessage(out);
      const field = readVarint(bytes, 0);
      expect(field.value).toBe(BigInt(8 * number));
      expect(BigInt.asIntN(64, readVarint(bytes, field.end).value)).toBe(BigInt(value));
    }
  });
});

it("writes text, floats and nested messages", () => {
  const inner = message();
  writeText(inner, 2, "testing");
  const out = message();
  writeMessage(out, 3, inner);
  writeFloat(out, 5, 1);
  expect(out.length).toBe(16);
  expect([...joinMessage(out)]).toEqual([0x1a, 9, 0x12, 7, ...Buffer.from("testing"), 0x2d, 0, 0, 0x80, 0x3f]);
});

it("keeps bytes by reference until they are joined", () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const out = message();
  writeBytes(out, 9, bytes);
  expect(out.chunks.at(-1)).toBe(bytes);
  expect([...joinMessage(out)]).toEqual([0x4a, 3, 1, 2, 3]);
});

it("writes doubles, alone and packed", () => {
  const out = message();
  writeDouble(out, 1, -2);
  writeDoubles(out, 6, [1, 0.5]);
  const bytes = joinMessage(out);
  const view = new DataView(bytes.buffer);
  expect([bytes[0], view.getFloat64(1, true)]).toEqual([0x09, -2]);
  expect([...bytes.subarray(9, 11)]).toEqual([0x32, 16]);
  expect([view.getFloat64(11, true), view.getFloat64(19, true)]).toEqual([1, 0.5]);
});
