import { ConfigError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { ERROR_KINDS, errorBreakdown, evaluateDetections, parseAnnotations, parseResults } from "../src/index";
import { cases } from "./goldens";
import { found, truthOf } from "./small-truth";

const one = (kind: string) => Object.fromEntries(ERROR_KINDS.map((name) => [name, name === kind ? 1 : 0]));

describe("errorBreakdown", () => {
  // Two annotations of class 1 and one of class 2; the first is found.
  const truth = truthOf([
    { category: 1, x: 0 },
    { category: 1, x: 100 },
    { category: 2, x: 200 },
  ]);
  const hit = found(1, 0, 0.9);

  it("finds nothing wrong with a perfect detector", () => {
    const { ap, counts } = errorBreakdown(
      truth,
      parseResults([hit, found(1, 100, 0.8), found(2, 200, 0.7)], { file: "d" }),
    );
    expect(ap).toBeCloseTo(1, 12);
    expect(counts).toEqual(one("none"));
  });

  it.each([
    // IoU 4/16 with the second of class 1: repaired, it is the second hit of two.
    ["localisation", found(1, 106, 0.8), { missed: 1 }],
    // On the box of class 2, called class 1.
    ["classification", found(1, 200, 0.8), { missed: 1 }],
    ["duplicate", found(1, 1, 0.8), { missed: 2 }],
    ["background", found(1, 300, 0.8), { missed: 2 }],
    // IoU 4/16 with the box of class 2, called class 1.
    ["both", found(1, 206, 0.8), { missed: 2 }],
  ] as const)("knows a %s error", (kind, wrong, others) => {
    const { counts } = errorBreakdown(truth, parseResults([hit, wrong], { file: "d" }));
    expect(counts).toEqual({ ...one(kind), ...others });
  });

  it("weighs errors by what their repair gains", () => {
    // Class 1: hit, then a box beside the second annotation. Class 2: nothing.
    const { ap, deltaAp } = errorBreakdown(truth, parseResults([hit, found(1, 106, 0.8)], { file: "d" }));
    const half = 51 / 101; // recalls 0 to 0.5 of 101 are reached
    expect(ap).toBeCloseTo((half + 0) / 2, 12);
    expect(deltaAp.localisation).toBeCloseTo((1 - half) / 2, 12);
    // Without the missed annotation, class 2 has none and does not count.
    expect(deltaAp.missed).toBeCloseTo(half - half / 2, 12);
    expect(deltaAp.background).toBe(0);
  });

  it("gains precision by leaving false alarms out", () => {
    const alarm = found(1, 300, 0.95);
    const { ap, deltaAp } = errorBreakdown(truthOf([{ category: 1, x: 0 }]), parseResults([alarm, hit], { file: "d" }));
    expect(ap).toBeCloseTo(0.5, 12);
    expect(deltaAp.background).toBeCloseTo(0.5, 12);
  });

  it("repairs an annotation once, by the highest score", () => {
    const results = parseResults([hit, found(1, 106, 0.8), found(1, 94, 0.7)], { file: "d" });
    const { counts, deltaAp } = errorBreakdown(truth, results);
    expect(counts.localisation).toBe(2);
    expect(deltaAp.localisation).toBeCloseTo((1 - 51 / 101) / 2, 12);
  });

  it("ignores crowds as COCO does", () => {
    const crowd = truthOf([
      { category: 1, x: 0 },
      { category: 1, x: 100, crowd: true },
    ]);
    const { ap, counts } = errorBreakdown(crowd, parseResults([hit, found(1, 100, 0.95)], { file: "d" }));
    expect(ap).toBeCloseTo(1, 12);
    expect(counts).toEqual(one("none"));
  });

  // All images and classes, ids once and from 1, and no negative sizes, which COCO ignores where they match nothing.
  const plain = cases.filter(
    ({ name, params }) =>
      params.useCats === 1 && !params.imgIds && !params.catIds && !/zero-area|gt-id-zero|duplicates/.test(name),
  );
  it.each(plain)("starts from the evaluation's AP50: $name", ({ gt, dt, name }) => {
    const data = parseAnnotations(gt, { file: name, onBadEntry: "keep" });
    const results = parseResults(dt, { file: name });
    const { stats } = evaluateDetections(data, results);
    expect(errorBreakdown(data, results).ap).toBeCloseTo(stats[1]!, 12);
  });

  it("refuses thresholds in the wrong order", () => {
    expect(() => errorBreakdown(truth, parseResults([], { file: "d" }), { iou: 0.1, backgroundIou: 0.5 })).toThrow(
      ConfigError,
    );
  });
});
