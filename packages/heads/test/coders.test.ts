import { ShapeError } from "@caddet/core";
import { boxToDistance, decodeDeltas, distanceToBox, encodeDeltas } from "@caddet/heads";
import { describe, expect, it } from "vitest";
import { expectClose, type GoldenArray, golden } from "./golden";

type Four = [number, number, number, number];

interface DeltaCase {
  readonly op: "DeltaXYWHBBoxCoder";
  readonly means: Four;
  readonly stds: Four;
  readonly anchors: GoldenArray;
  readonly gts: GoldenArray;
  readonly encoded: GoldenArray;
  readonly deltas: GoldenArray;
  readonly decoded: GoldenArray;
  readonly max_shape: [number, number];
  readonly decoded_clipped: GoldenArray;
}

interface DistanceCase {
  readonly op: "distance2bbox";
  readonly points: GoldenArray;
  readonly distances: GoldenArray;
  readonly decoded: GoldenArray;
  readonly max_shape: [number, number];
  readonly decoded_clipped: GoldenArray;
  readonly back: GoldenArray;
}

const { cases } = golden<{ cases: (DeltaCase | DistanceCase)[] }>("pieces/box-coders");
const deltaCases = cases.filter((c): c is DeltaCase => c.op === "DeltaXYWHBBoxCoder");
const distanceCases = cases.filter((c): c is DistanceCase => c.op === "distance2bbox");

describe("distances", () => {
  it.each(distanceCases)("are the reference's", ({ points, distances, decoded, max_shape, decoded_clipped, back }) => {
    const [height, width] = max_shape;
    const boxes = distanceToBox(points.data, distances.data);
    expectClose(boxes, decoded.data, 1e-6);
    expectClose(distanceToBox(points.data, distances.data, { height, width }), decoded_clipped.data, 1e-6);
    expectClose(boxToDistance(points.data, boxes), back.data, 1e-5);
  });

  it("are refused when they do not match the points", () => {
    expect(() => distanceToBox([1, 2], [1, 2, 3, 4, 5, 6, 7, 8])).toThrow(ShapeError);
    expect(() => boxToDistance([1, 2, 3, 4], [1, 2, 3, 4])).toThrow(ShapeError);
  });
});

describe("deltas", () => {
  it.each(deltaCases)("are the reference's with stds $stds", (c) => {
    const options = { means: c.means, stds: c.stds };
    const [height, width] = c.max_shape;
    expectClose(encodeDeltas(c.anchors.data, c.gts.data, options), c.encoded.data, 1e-5);
    expectClose(decodeDeltas(c.anchors.data, c.deltas.data, options), c.decoded.data, 1e-5);
    const bounds = { height, width };
    expectClose(decodeDeltas(c.anchors.data, c.deltas.data, { ...options, bounds }), c.decoded_clipped.data, 1e-5);
  });

  it("come back as the boxes that they encode", () => {
    const { anchors, gts } = deltaCases[0]!;
    expectClose(decodeDeltas(anchors.data, encodeDeltas(anchors.data, gts.data)), gts.data, 1e-4);
  });

  it("limit the growth of a side", () => {
    const [x1, , x2] = decodeDeltas([0, 0, 16, 16], [0, 0, 50, 0]);
    expect(x2! - x1!).toBeCloseTo(1000, 2);
    expect(decodeDeltas([0, 0, 16, 16], [0, 0, 50, 0], { maxRatio: 2 })[2]).toBeCloseTo(24, 4);
  });

  it("are refused when they do not match the anchors", () => {
    expect(() => encodeDeltas([0, 0, 1, 1], [])).toThrow(ShapeError);
    expect(() => decodeDeltas([0, 0, 1, 1], [1, 2, 3])).toThrow(ShapeError);
  });
});
