import { ConfigError, ShapeError } from "@caddet/core";
import { multiclassNms, type SuppressionOptions } from "@caddet/heads";
import { describe, expect, it } from "vitest";
import { type GoldenArray, golden } from "./golden";

interface MulticlassCase {
  readonly op: string;
  readonly note: string;
  readonly boxes: GoldenArray;
  readonly scores: GoldenArray;
  readonly score_thr: number;
  readonly iou_threshold: number;
  readonly max_num: number;
  readonly score_factors: GoldenArray | null;
  readonly dets: GoldenArray;
  readonly labels: GoldenArray;
}

const cases = golden<{ cases: MulticlassCase[] }>("pieces/nms").cases.filter(({ op }) => op === "multiclass_nms");

describe("multiclassNms", () => {
  it.each(cases)("keeps what the reference keeps: $note", (c) => {
    const columns = c.scores.shape[1]!;
    const scores = c.scores.data.filter((_, i) => i % columns !== columns - 1);
    const {
      boxes,
      scores: kept,
      labels,
    } = multiclassNms(c.boxes.data, scores, {
      scoreThreshold: c.score_thr,
      nmsIou: c.iou_threshold,
      maxPerImage: c.max_num,
      ...(c.score_factors ? { scoreFactors: c.score_factors.data } : {}),
    });
    expect([...labels]).toEqual(c.labels.data);
    labels.forEach((_, i) => {
      const [x1, y1, x2, y2, score] = c.dets.data.slice(5 * i, 5 * i + 5) as [number, number, number, number, number];
      [x1, y1, x2, y2].forEach((v, k) => {
        expect(boxes[4 * i + k]).toBe(Math.fround(v));
      });
      expect(kept[i]).toBeCloseTo(score, 6);
    });
  });

  it("tests the threshold strictly and before the factors", () => {
    const options = { scoreThreshold: 0.5, nmsIou: 0.5, maxPerImage: 10, scoreFactors: [0.1] };
    const { scores, labels } = multiclassNms([0, 0, 9, 9], [0.5, 0.75], options);
    expect([...labels]).toEqual([1]);
    expect(scores[0]).toBeCloseTo(0.075, 6);
  });

  it("takes of equal scores the lower box first, then the lower class", () => {
    const boxes = [20, 0, 29, 9, 0, 0, 9, 9, 0, 0, 9, 8];
    const options = { scoreThreshold: 0, nmsIou: 0.5, maxPerImage: 10 };
    const { labels, boxes: kept } = multiclassNms(boxes, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5], options);
    expect([...labels]).toEqual([0, 1, 0, 1]);
    expect([...kept.subarray(0, 12)]).toEqual([20, 0, 29, 9, 20, 0, 29, 9, 0, 0, 9, 9]);
  });

  it("suppresses across classes, keeping labels, when it is class agnostic", () => {
    const boxes = [0, 0, 9, 9, 0, 0, 9, 8, 20, 0, 29, 9];
    const scores = [0.9, 0.1, 0.2, 0.8, 0.3, 0.4];
    const options = { scoreThreshold: 0.25, nmsIou: 0.5, maxPerImage: 10 };
    expect([...multiclassNms(boxes, scores, options).labels]).toEqual([0, 1, 1, 0]);
    expect([...multiclassNms(boxes, scores, { ...options, classAgnostic: true }).labels]).toEqual([0, 1]);
  });

  it("lowers scores instead of dropping boxes when it is soft", () => {
    const options = { scoreThreshold: 0, maxPerImage: 10, nmsIou: 0.5 };
    const run = (more: SuppressionOptions) =>
      multiclassNms([0, 0, 4, 4, 0, 0, 4, 3], [0.8, 0.4], { ...options, ...more });
    expect(run({}).scores.length).toBe(1);
    expect(run({ nms: "soft-linear" }).scores[1]).toBeCloseTo(0.4 * 0.25, 6);
    expect(run({ nms: "soft-gaussian", nmsSigma: 1 }).scores[1]).toBeCloseTo(0.4 * Math.exp(-0.5625), 6);
    expect(run({ nms: "soft-linear", nmsMinScore: 0.2 }).scores.length).toBe(1);
    expect(() => run({ nms: "soft" as "hard" })).toThrow(ConfigError);
  });

  it("refuses scores and factors that do not match the boxes", () => {
    const options = { scoreThreshold: 0.5, nmsIou: 0.5, maxPerImage: 10 };
    expect(() => multiclassNms([0, 0, 9, 9, 0, 0, 8, 8], [0.5, 0.6, 0.7], options)).toThrow(ShapeError);
    expect(() => multiclassNms([0, 0, 9, 9], [0.5], { ...options, scoreFactors: [] })).toThrow(ShapeError);
  });
});
