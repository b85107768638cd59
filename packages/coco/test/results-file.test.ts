import { mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, DatasetError } from "@caddet/core";
import fc from "fast-check";
import { unzipSync } from "fflate";
import { afterEach, describe, expect, it } from "vitest";
import { type CocoResult, type CocoResults, formatResults, parseResults, submissionName } from "../src";
import { writeResults, writeSubmission } from "../src/node";

const columns = (entries: CocoResult[]) => parseResults(entries, { file: "made here" });
const text = (results: CocoResults, options = {}) => [...formatResults(results, options)].join("");

// The first entry of the example on COCO's page of formats.
const EXAMPLE: CocoResult = { image_id: 42, category_id: 18, bbox: [258.15, 41.29, 348.26, 243.78], score: 0.236 };

const number = fc.double({ min: -1e7, max: 1e7, noNaN: true });
const entry: fc.Arbitrary<CocoResult> = fc.record({
  image_id: fc.maxSafeInteger(),
  category_id: fc.integer(),
  bbox: fc.tuple(number, number, number, number),
  score: fc.double({ min: 0, max: 1, noNaN: true }),
});

describe("formatResults", () => {
  it("writes the example of COCO's format page in its field order", () => {
    expect(text(columns([EXAMPLE]))).toBe(
      '[{"image_id":42,"category_id":18,"bbox":[258.15,41.29,348.26,243.78],"score":0.236}]',
    );
  });

  it("rounds to the decimals asked for; integers stay integers, and there is no -0", () => {
    const results = columns([
      { image_id: 1, category_id: 2, bbox: [10, -0.001, 0.125, 1e7 + 0.006], score: 0.123456789 },
      { image_id: 1, category_id: 2, bbox: [0.04, 0.06, 1, 2], score: 1 },
    ]);
    expect(text(results)).toBe(
      '[{"image_id":1,"category_id":2,"bbox":[10,0,0.13,10000000.01],"score":0.12346},' +
        '{"image_id":1,"category_id":2,"bbox":[0.04,0.06,1,2],"score":1}]',
    );
    const tenth = JSON.parse(text(results, { boxDecimals: 1, scoreDecimals: 2 }));
    expect(tenth[0]).toMatchObject({ bbox: [10, 0, 0.1, 10000000], score: 0.12 });
  });

  it("gives back what was written, to the rounding", () => {
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const results = columns(entries);
        const back = parseResults(JSON.parse(text(results)), { file: "back" });
        expect(back.imageIds).toEqual(results.imageIds);
        expect(back.categoryIds).toEqual(results.categoryIds);
        const error = Math.max(0, ...back.boxes.map((v, i) => Math.abs(v - results.boxes[i]!)));
        expect(error).toBeLessThanOrEqual(0.005 + 1e-8);
        for (const [i, score] of back.scores.entries())
          expect(Math.abs(score - results.scores[i]!)).toBeLessThan(5.1e-6);
      }),
    );
  });

  it("comes in pieces of bounded length", () => {
    const pieces = [...formatResults(columns(Array.from({ length: 3000 }, () => EXAMPLE)))];
    expect(pieces.length).toBeGreaterThan(2);
    expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThan(70_000);
    expect(JSON.parse(pieces.join(""))).toHaveLength(3000);
    expect(text(columns([]))).toBe("[]");
  });

  it("refuses what the server would", () => {
    const results = columns([EXAMPLE]);
    expect(() => text({ ...results, scores: Float64Array.of(Number.NaN) })).toThrow(
      "Detection 0 of image 42, category 18, box [258.15,41.29,348.26,243.78], score NaN cannot be written",
    );
    expect(() => text({ ...results, imageIds: Float64Array.of(0.5) })).toThrow(DatasetError);
    expect(() => text(results, { boxDecimals: -1 })).toThrow(ConfigError);
    expect(() => text(results, { scoreDecimals: 1.5 })).toThrow("scoreDecimals is an integer from 0 to 15, got 1.5.");
  });
});

it("submissionName follows the server's rule", () => {
  expect(submissionName({ algorithm: "caddet" })).toBe("detections_test-dev2017_caddet_results");
  expect(submissionName({ algorithm: "a-1.2", testSet: "val2017" })).toBe("detections_val2017_a-1.2_results");
  for (const algorithm of ["", "a_b", "../a", "a b"]) expect(() => submissionName({ algorithm })).toThrow(ConfigError);
});

describe("on disk", () => {
  const folders: string[] = [];
  const folder = async () => {
    folders.push(await realpath(await mkdtemp(join(tmpdir(), "results-"))));
    return folders.at(-1)!;
  };
  afterEach(async () => {
    for (const path of folders.splice(0)) await rm(path, { recursive: true });
  });

  it("writeResults writes a file that reads back", async () => {
    const file = join(await folder(), "results.json");
    await writeResults(file, columns([EXAMPLE]));
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual([EXAMPLE]);
  });

  it("leaves an older file as it was, and nothing else, when writing fails", async () => {
    const path = await folder();
    const file = join(path, "results.json");
    await writeFile(file, "old");
    await expect(writeResults(file, { ...columns([EXAMPLE]), scores: Float64Array.of(Number.NaN) })).rejects.toThrow(
      DatasetError,
    );
    expect(await readFile(file, "utf8")).toBe("old");
    expect(await readdir(path)).toEqual(["results.json"]);
    await expect(writeResults(join(path, "none", "results.json"), columns([]))).rejects.toThrow("cannot be written");
  });

  it("writeSubmission zips one file of the same name", async () => {
    const path = await folder();
    const many = Array.from({ length: 5000 }, (_, n) => ({ ...EXAMPLE, image_id: n }));
    const file = await writeSubmission(path, columns(many), { algorithm: "caddet" });
    expect(file).toBe(join(path, "detections_test-dev2017_caddet_results.zip"));
    const entries = unzipSync(await readFile(file));
    expect(Object.keys(entries)).toEqual(["detections_test-dev2017_caddet_results.json"]);
    const json = JSON.parse(new TextDecoder().decode(Object.values(entries)[0]));
    expect(json).toEqual(many);
  });
});
