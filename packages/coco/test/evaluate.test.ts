import { createHash } from "node:crypto";
import { createRandom } from "@caddet/core";
import { describe, expect, it } from "vitest";
import {
  type EvaluationParams,
  evaluateDetections,
  parseAnnotations,
  parseResults,
  STATISTIC_NAMES,
} from "../src/index";
import { cases, type GoldenCase } from "./goldens";

function run({ gt, dt, params, name }: GoldenCase, extra: EvaluationParams = {}) {
  const given = Object.entries(params).filter(
    ([key, value]) => value !== null && key !== "iouType" && key !== "useCats",
  );
  return evaluateDetections(
    parseAnnotations(gt, { file: name, onBadEntry: "keep" }),
    parseResults(dt, { file: name }),
    { ...(Object.fromEntries(given) as EvaluationParams), useCats: params.useCats === 1, ...extra },
  );
}

const sha256 = (values: Float64Array) =>
  createHash("sha256")
    .update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    .digest("hex");

function caseNamed(start: string): GoldenCase {
  const found = cases.find(({ name }) => name.startsWith(start));
  if (!found) throw new Error(`No case ${start}.`);
  return found;
}

function largestDifference(actual: ArrayLike<number>, wanted: readonly number[]): number {
  expect(actual.length).toBe(wanted.length);
  return wanted.reduce((most, v, i) => Math.max(most, Math.abs(v - actual[i]!)), 0);
}

it("has all 20 reference cases", () => {
  expect(cases.length).toBe(20);
});

describe.each(cases)("$name as pycocotools", (golden) => {
  const { expected } = golden;
  const result = run(golden);

  it("resolves the parameters", () => {
    const { T, R, K, A, M } = result.counts;
    expect([T, R, K, A, M]).toEqual(expected.counts);
    expect([...result.params.iouThrs]).toEqual(expected.iouThrs);
    expect([...result.params.recThrs]).toEqual(expected.recThrs);
    expect([...result.params.imgIds]).toEqual(expected.imgIds);
    if (golden.params.useCats === 1) expect([...result.params.catIds]).toEqual(expected.catIds);
  });

  it("gives the twelve numbers", () => {
    expect(result.stats.length).toBe(STATISTIC_NAMES.length);
    expect(largestDifference(result.stats, expected.stats)).toBeLessThan(1e-12);
  });

  it("gives the curves bit for bit", () => {
    expect(sha256(result.precision)).toBe(expected.precision.sha256_f64le);
    expect(sha256(result.scores)).toBe(expected.scores.sha256_f64le);
    expect(sha256(result.recall)).toBe(expected.recall.sha256_f64le);
    expect(largestDifference(result.recall, expected.recall.data ?? [])).toBe(0);
  });

  it("gives the matches of each listed image", () => {
    expect(expected.evalImgs.length + expected.evalImgsNonNull).toBeGreaterThan(0);
    const images = expected.imgIds.length;
    for (const wanted of expected.evalImgs) {
      const a = Math.floor(wanted.index / images) % expected.areaRngLbl.length;
      const found = result.imageEvaluation(wanted.image_id, wanted.category_id, expected.areaRngLbl[a]!);
      expect(found && [...found.dtIds]).toEqual(wanted.dtIds);
      expect([...found!.dtScores]).toEqual(wanted.dtScores);
      expect([...found!.gtIds]).toEqual(wanted.gtIds);
      expect([...found!.gtIgnore]).toEqual(wanted.gtIgnore);
      expect([...found!.dtMatches]).toEqual(wanted.dtMatches.flat());
      expect([...found!.gtMatches]).toEqual(wanted.gtMatches.flat());
      expect([...found!.dtIgnore]).toEqual(wanted.dtIgnore.flat());
    }
  });

  it("gives the overlaps", () => {
    for (const { image_id: imageId, category_id: categoryId, shape, data } of expected.ious) {
      const found = result.imageEvaluation(imageId, categoryId);
      const [D, G] = shape;
      const inFile = golden.gt.annotations
        .filter((a) => a.image_id === imageId && (golden.params.useCats === 0 || a.category_id === categoryId))
        .map(({ id }) => id);
      if (golden.params.useCats === 0 || new Set(inFile).size !== G) continue;
      const columns = inFile.map((id) => found!.gtIds.indexOf(id));
      const values = Array.from({ length: D * G }, (_, at) => {
        return found!.overlaps[Math.floor(at / G) * G + columns[at % G]!]!;
      });
      expect(values).toEqual(data);
    }
  });
});
