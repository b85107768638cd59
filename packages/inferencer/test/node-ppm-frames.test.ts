import { DatasetError } from "@caddet/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ppmFrames } from "../src/node/ppm-frames";

const ppm = (width: number, height: number, from: number) =>
  Buffer.concat([
    Buffer.from(`P6\n${width} ${height}\n255\n`),
    Uint8Array.from({ length: width * height * 3 }, (_, i) => from + i),
  ]);

async function* cutAt(bytes: Uint8Array, places: readonly number[]): AsyncGenerator<Uint8Array> {
  const sorted = [0, ...[...places].sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < sorted.length; i++) yield bytes.subarray(sorted[i - 1]!, sorted[i]!);
}

async function all(chunks: AsyncIterable<Uint8Array>) {
  const frames: { height: number; width: number; data: number[] }[] = [];
  for await (const { height, width, data } of ppmFrames(chunks)) frames.push({ height, width, data: [...data] });
  return frames;
}

// Pixels that look like headers, and sizes of their own.
const PICTURES = [ppm(3, 2, 0), ppm(1, 1, 10), Buffer.from("P6\n2 1\n255\nP6\n1 1"), ppm(40, 30, 5)];
const STREAM = Buffer.concat(PICTURES);

describe("ppmFrames", () => {
  it("gives the same pictures wherever the stream is cut", async () => {
    const whole = await all(cutAt(STREAM, []));
    expect(whole.map(({ height, width }) => [height, width])).toEqual([
      [2, 3],
      [1, 1],
      [1, 2],
      [30, 40],
    ]);
    expect(whole[0]!.data).toEqual([...Array(18).keys()]);
    expect(whole[2]!.data).toEqual([...Buffer.from("P6\n1 1")]);
    const places = fc.array(fc.nat(STREAM.length), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(places, async (at) => {
        expect(await all(cutAt(STREAM, at))).toEqual(whole);
      }),
      { numRuns: 200 },
    );
    const everywhere = [...STREAM.keys()];
    expect(await all(cutAt(STREAM, everywhere))).toEqual(whole);
  });

  it("gives each picture memory of its own", async () => {
    const datas: Uint8Array[] = [];
    for await (const { data } of ppmFrames(cutAt(STREAM, []))) datas.push(data);
    expect(new Set(datas.map(({ buffer }) => buffer)).size).toBe(PICTURES.length);
  });

  it("leaves out a picture that the end cuts", async () => {
    expect(await all(cutAt(STREAM.subarray(0, STREAM.length - 1), []))).toHaveLength(3);
    expect(await all(cutAt(STREAM.subarray(0, PICTURES[0]!.length + 4), []))).toHaveLength(1);
    expect(await all(cutAt(Buffer.alloc(0), []))).toEqual([]);
  });

  it.each([
    ["what is no picture", Buffer.alloc(100), /gave no PPM pictures/],
    ["16 bits", Buffer.from(`P6\n1 1\n65535\n${" ".repeat(80)}`), /gave no PPM pictures/],
    ["a size beyond memory", Buffer.from("P6\n99999 99999\n255\n"), /99999 x 99999 pixels, at most 100000000/],
  ])("refuses %s", async (_, bytes, message) => {
    await expect(all(cutAt(bytes, []))).rejects.toThrow(DatasetError);
    await expect(all(cutAt(bytes, [3]))).rejects.toThrow(message);
  });
});
