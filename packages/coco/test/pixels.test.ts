import { ConfigError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { IMAGENET_NORMALISATION, normalisationTable, writePixels } from "../src/pixels";

const rgb = Uint8Array.from({ length: 2 * 3 * 3 }, (_, i) => i * 14);
const size = { height: 2, width: 3 };

describe("normalisationTable", () => {
  it("holds (v - mean) / std of every byte and channel", () => {
    const table = normalisationTable(IMAGENET_NORMALISATION);
    expect(table.length).toBe(768);
    expect(table[0]).toBe(Math.fround(-123.675 / 58.395));
    expect(table[256 + 255]).toBe(Math.fround((255 - 116.28) / 57.12));
    expect(table[512 + 100]).toBe(Math.fround((100 - 103.53) / 57.375));
  });

  it("refuses a deviation of 0", () => {
    expect(() => normalisationTable({ mean: [0, 0, 0], std: [1, 0, 1] })).toThrow(ConfigError);
    expect(() => normalisationTable({ mean: [0, Number.NaN, 0], std: [1, 1, 1] })).toThrow(ConfigError);
  });
});

describe("writePixels", () => {
  const table = normalisationTable({ mean: [1, 2, 3], std: [2, 4, 8] });
  const value = (x: number, y: number, c: number) =>
    Math.fround((rgb[(y * 3 + x) * 3 + c]! - [1, 2, 3][c]!) / [2, 4, 8][c]!);

  it.each([false, true])("writes the image at its place and nothing else (flipped: %s)", (flipped) => {
    const [H, W, before] = [4, 5, 7];
    const batch = new Float32Array(before + H * W * 3).fill(-9);
    writePixels(rgb, size, table, batch, { offset: before, stride: W, flipped });
    for (let y = 0; y < H; y++) {
      for (let x = 0; x < W; x++) {
        for (let c = 0; c < 3; c++) {
          const inside = y < 2 && x < 3;
          const wanted = inside ? value(flipped ? 2 - x : x, y, c) : -9;
          expect(batch[before + (y * W + x) * 3 + c]).toBe(wanted);
        }
      }
    }
    expect([...batch.subarray(0, before)]).toEqual(new Array(before).fill(-9));
  });
});
