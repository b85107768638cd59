import { createHash } from "node:crypto";
import { ConfigError, DatasetError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import {
  type EvaluationParams,
  evaluateDetections,
  formatStatistics,
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
    expect([...result.stats]).toEqual(expected.stats);
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

describe("evaluateDetections", () => {
  const tiny = caseNamed("01");

  it("gives the same bytes for the same input, whatever is asked of the result meanwhile", () => {
    const first = run(tiny);
    first.imageEvaluation(first.params.imgIds[0]!, first.params.catIds[0]!, "small");
    const second = run(tiny);
    expect(sha256(second.precision)).toBe(sha256(first.precision));
    expect([...second.stats]).toEqual([...first.stats]);
  });

  it("leaves its input as it is", () => {
    const golden = caseNamed("04");
    const dataset = parseAnnotations(golden.gt, { file: "gt", onBadEntry: "keep" });
    const results = parseResults(golden.dt, { file: "dt" });
    const before = structuredClone([dataset, results]);
    evaluateDetections(dataset, results);
    expect([dataset, results]).toEqual(before);
  });

  it("does not depend on the order of images in the file", () => {
    const golden = caseNamed("03");
    const turned = { ...golden, gt: { ...golden.gt, images: [...golden.gt.images].reverse() } };
    expect(sha256(run(turned).precision)).toBe(sha256(run(golden).precision));
  });

  it("warns where an id of 0 cost matches, and does without the quirk on request", () => {
    const golden = caseNamed("20");
    const withQuirk = run(golden);
    const without = run(golden, { zeroIdIsUnmatched: false });
    expect(withQuirk.warnings.some((w) => w.includes("annotation of id 0 were counted as none"))).toBe(true);
    expect(without.warnings).toEqual([]);
    expect(without.stats[0]!).toBeGreaterThan(withQuirk.stats[0]!);
    const renumbered = {
      ...golden,
      gt: { ...golden.gt, annotations: golden.gt.annotations.map((a) => ({ ...a, id: a.id + 1 })) },
    };
    expect(sha256(without.precision)).toBe(sha256(run(renumbered).precision));
  });

  it("warns about repeated annotation ids, of which pycocotools holds the last", () => {
    const [image, category] = [
      { id: 1, file_name: "a.jpg", width: 99, height: 99 },
      { id: 1, name: "c" },
    ];
    const box = (x: number) => ({ id: 5, image_id: 1, category_id: 1, bbox: [x, 0, 10, 10], area: 100, iscrowd: 0 });
    const json = { images: [image], categories: [category], annotations: [box(0), box(50)] };
    const found = (x: number) => ({ image_id: 1, category_id: 1, bbox: [x, 0, 10, 10], score: 0.5 });
    const dataset = parseAnnotations(json, { file: "gt", onBadEntry: "keep" });
    const result = evaluateDetections(dataset, parseResults([found(0), found(50), found(50)], { file: "dt" }));
    expect(result.warnings).toEqual([
      "1 annotations share their id with a later one, which stands in for them as in pycocotools.",
    ]);
    // The box at 0 is gone and the one at 50 is there twice.
    expect([...result.imageEvaluation(1, 1)!.dtMatches.subarray(0, 3)]).toEqual([0, 5, 5]);
    expect([...result.imageEvaluation(1, 1)!.gtMatches.subarray(0, 2)]).toEqual([3, 2]);
  });

  it("says how many detections of other categories it dropped", () => {
    const dropped = tiny.dt.map((d, n) => (n === 0 ? { ...d, category_id: 4711 } : d));
    expect(run({ ...tiny, dt: dropped }).warnings).toEqual(["1 detections of categories outside catIds were dropped."]);
  });

  it("refuses detections on images that the annotations lack", () => {
    const foreign = tiny.dt.map((d) => ({ ...d, image_id: 4711 }));
    expect(() => run({ ...tiny, dt: foreign })).toThrow(DatasetError);
    expect(() => run({ ...tiny, dt: foreign })).toThrow("Detection 0 belongs to image 4711");
  });

  it("gives -1 for everything without annotations, and 0 without detections", () => {
    const empty = run({ ...tiny, gt: { ...tiny.gt, annotations: [] }, dt: [] });
    expect([...empty.stats]).toEqual(new Array(12).fill(-1));
    expect(run({ ...tiny, dt: [] }).stats[0]).toBe(0);
    expect(empty.imageEvaluation(empty.params.imgIds[0]!, empty.params.catIds[0]!)).toBeUndefined();
  });

  it("has numbers of each class whose mean is the whole", () => {
    const result = run(caseNamed("03"));
    const counted = result.perClass.filter(({ ap }) => ap > -1);
    expect(result.perClass.map(({ categoryId }) => categoryId)).toEqual([...result.params.catIds]);
    expect(result.perClass[0]!.name).toBe("c1");
    expect(counted.reduce((sum, { ap }) => sum + ap, 0) / counted.length).toBeCloseTo(result.stats[0]!, 12);
    expect(counted.reduce((sum, { ar }) => sum + ar, 0) / counted.length).toBeCloseTo(result.stats[8]!, 12);
  });

  it.each([
    [{ iouThrs: [] }, "iouThrs is empty"],
    [{ areaRng: [[0, 1]] }, "Expected a label for each of 1 area ranges, got 4."],
    [{ maxDets: [0, 1] }, "maxDets needs positive integers"],
    [{ recThrs: [0.5, 0.1] }, "recThrs need to rise"],
    [{ iouThrs: [Number.NaN] }, "finite numbers"],
    [{ areaRng: new Array(32).fill([0, 1]), areaRngLbl: new Array(32).fill("all") }, "At most 31 area ranges"],
  ] as [EvaluationParams, string][])("refuses %j", (params, text) => {
    expect(() => run(tiny, params)).toThrow(ConfigError);
    expect(() => run(tiny, params)).toThrow(text);
  });

  it("takes other thresholds, areas and limits", () => {
    const result = run(caseNamed("03"), { iouThrs: [0.5], areaRng: [[0, 1e10]], areaRngLbl: ["all"], maxDets: [100] });
    const whole = run(caseNamed("03"));
    expect(result.counts).toEqual({ T: 1, R: 101, K: 10, A: 1, M: 1 });
    expect(result.stats[0]).toBe(whole.stats[1]);
    expect([...result.stats].slice(1, 6)).toEqual([-1, -1, -1, -1, -1]);
  });

  it("takes more thresholds than fit one word", () => {
    const golden = caseNamed("06");
    const iouThrs = Array.from({ length: 70 }, (_, n) => 0.3 + n / 100);
    const K = run(golden).counts.K;
    const whole = run(golden, { iouThrs });
    for (const n of [0, 30, 31, 69]) {
      const single = run(golden, { iouThrs: [iouThrs[n]!] });
      expect([...whole.recall.subarray(n * K * 12, (n + 1) * K * 12)]).toEqual([...single.recall]);
      expect(sha256(whole.precision.subarray(n * 101 * K * 12, (n + 1) * 101 * K * 12))).toBe(sha256(single.precision));
    }
  });

  it("names what was not evaluated", () => {
    const result = run(tiny);
    expect(() => result.imageEvaluation(4711, 1)).toThrow(ConfigError);
    expect(() => result.imageEvaluation(result.params.imgIds[0]!, result.params.catIds[0]!, "tiny")).toThrow("tiny");
  });
});

it("formatStatistics writes a line a number", () => {
  const lines = formatStatistics(run(caseNamed("03")).stats).split("\n");
  expect(lines.length).toBe(12);
  expect(lines[0]).toMatch(/^AP {8}0\.\d{3}$/);
});
