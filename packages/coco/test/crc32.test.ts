import { describe, expect, it } from "vitest";
import { crc32, crc32ByTable } from "../src/download/crc32";

describe.each([
  ["crc32", crc32],
  ["crc32ByTable", crc32ByTable],
] as const)("%s", (_, crc) => {
  it("has the check value of the standard", () => {
    expect(crc(Buffer.from("123456789"))).toBe(0xcbf43926);
    expect(crc(new Uint8Array(0))).toBe(0);
  });

  it("goes on over chunks", () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, n) => (n * n * 31) & 255);
    expect(crc(bytes.subarray(333), crc(bytes.subarray(0, 333)))).toBe(crc(bytes));
  });
});
