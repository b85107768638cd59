// From a head's predictions to candidates inside the graph: cut each level to its best, make boxes, clamp, rescale. The same choice as
// @caddet/heads makes when it decodes; which of the candidates stay is decided in suppress-graph.ts.
import { baseAnchors, FcosHead, type MmdetFlavour } from "@caddet/heads";
import type { Scope, Value } from "./graph";
import type { ExportableHead, LevelGraph } from "./head-graph";

/** The sides of an anchor change by this factor at most, either way (mmdetection's DeltaXYWHBBoxCoder). */
const MAX_SIDE_RATIO = 1000 / 16;

/** What waits for suppression. */
export interface CandidateGraph {
  /** `[B, N, 4]` in pixels, clamped and rescaled. */
  readonly boxes: Value;
  /** `[B, N, C]`: scores of each box for all classes, or `[B, N, 1]` where a candidate has one class; -1 for none. */
  readonly scores: Value;
  /** `[B, N]` int64: the class of each candidate, where it has one. */
  readonly labels?: Value;
}

/** What part of the input each image fills, inside the graph. */
export interface BoundsGraph {
  /** `[B, 1, 4]`: width, height, width, height in pixels. */
  readonly bounds: Value;
  /** `[B, 1, 4]`: network pixels for one source pixel, across and down, twice. */
  readonly scales: Value;
}

interface Rows {
  /** `[B, n, C]` logits. */
  readonly classes: Value;
  /** `[B, n, 4]` */
  readonly boxes: Value;
  /** `[B, n, 1]` in [0, 1] */
  readonly factors?: Value;
  /** `[1]` int64: columns of the map. */
  readonly width: Value;
}

const toFloat = (scope: Scope, x: Value) => scope.op("Cast", [x], { to: 1 });

/** `[B, n, w]` at `[B, k]` to `[B, k, w]`. */
const gatherRows = (scope: Scope, x: Value, at: Value) =>
  scope.op("GatherND", [x, scope.op("Unsqueeze", [at, scope.ints([2])])], { batch_dims: 1 }, "rows");

function rowsOf(scope: Scope, level: LevelGraph, numClasses: number): Rows {
  const rows = (map: Value, width: number) => scope.op("Reshape", [map, scope.ints([0, -1, width])], {}, "all");
  const classes = rows(level.classes, numClasses);
  const boxes = rows(level.boxes, 4);
  const width = scope.op("Shape", [level.classes], { start: 2, end: 3 }, "width");
  if (level.centerness === undefined) return { classes, boxes, width };
  return { classes, boxes, width, factors: scope.op("Sigmoid", [rows(level.centerness, 1)], {}, "centerness") };
}

// The best `limit` of [B, n], or all: [B, k] indices, by falling value; NaN ranks last.
function best(scope: Scope, values: Value, limit: number): Value {
  const ranked = scope.op("Where", [scope.op("GreaterOrEqual", [values, scope.floats(0)]), values, scope.floats(-1)]);
  const count = scope.op("Shape", [ranked], { start: 1, end: 2 });
  const k = scope.op("Min", [count, scope.ints([limit])]);
  return scope.ops("TopK", [ranked, k], 2, { axis: 1 }, "best")[1]!;
}

// Ascending, so that of equal scores the first row wins later on.
function inOrder(scope: Scope, indices: Value): Value {
  const k = scope.op("Shape", [indices], { start: 1, end: 2 });
  return scope.ops("TopK", [indices, k], 2, { axis: 1, largest: 0 }, "in_order")[0]!;
}

function columnsOf(scope: Scope, x: Value): readonly [Value, Value] {
  const [first, last] = scope.ops("Split", [x], 2, { axis: 2 });
  return [first!, last!];
}

// [B, k] numbers of cells to [B, k, 2]: x and y of each in pixels.
function cornersOf(scope: Scope, cell: Value, width: Value, stride: number): Value {
  const parts = [scope.op("Mod", [cell, width]), scope.op("Div", [cell, width])];
  const columns = parts.map((part) => scope.op("Unsqueeze", [part, scope.ints([2])]));
  const corner = toFloat(scope, scope.op("Concat", columns, { axis: 2 }));
  return scope.op("Mul", [corner, scope.floats(stride)], {}, "corner");
}

function fcosBoxes(scope: Scope, head: FcosHead, l: number, number: Value, width: Value, distances: Value): Value {
  const stride = head.settings.strides[l]!;
  const half = scope.floats(Math.floor(stride / 2));
  const point = scope.op("Add", [cornersOf(scope, number, width, stride), half], {}, "point");
  const [near, far] = columnsOf(scope, distances);
  return scope.op("Concat", [scope.op("Sub", [point, near]), scope.op("Add", [point, far])], { axis: 2 }, "boxes");
}

function anchorBoxes(
  scope: Scope,
  { settings }: Exclude<ExportableHead, FcosHead>,
  l: number,
  number: Value,
  width: Value,
  deltas: Value,
): Value {
  const stride = settings.strides[l]!;
  const base = baseAnchors(stride, settings.anchors);
  const perCell = scope.ints(base.length / 4);
  const corner = cornersOf(scope, scope.op("Div", [number, perCell]), width, stride);
  const shapes = scope.op("Gather", [scope.floats(base, [base.length / 4, 4]), scope.op("Mod", [number, perCell])]);
  const [from, to] = columnsOf(scope, shapes).map((part) => scope.op("Add", [part, corner])) as [Value, Value];
  const side = scope.op("Sub", [to, from], {}, "side");
  const middle = scope.op("Mul", [scope.op("Add", [from, to]), scope.floats(0.5)], {}, "middle");
  const [shift, growth] = columnsOf(scope, deltas);
  const limit = Math.log(MAX_SIDE_RATIO);
  const grown = scope.op("Exp", [scope.op("Clip", [growth, scope.floats(-limit), scope.floats(limit)])]);
  const centre = scope.op("Add", [middle, scope.op("Mul", [shift, side])], {}, "centre");
  const half = scope.op("Mul", [scope.op("Mul", [side, grown]), scope.floats(0.5)], {}, "half");
  return scope.op("Concat", [scope.op("Sub", [centre, half]), scope.op("Add", [centre, half])], { axis: 2 }, "boxes");
}

// -1 for a pair whose class score is not above the threshold, or whose box or factor is NaN.
function maskScores(
  scope: Scope,
  scores: Value,
  {
    boxes,
    factors,
    threshold,
  }: { readonly boxes: Value; readonly factors: Value | undefined; readonly threshold: number },
): Value {
  const nan = toFloat(scope, scope.op("IsNaN", [boxes]));
  const whole = scope.op("Less", [scope.op("ReduceMax", [nan], { axes: [2], keepdims: 1 }), scope.floats(0.5)]);
  const enough = scope.op("And", [scope.op("Greater", [scores, scope.floats(threshold)]), whole]);
  const final = factors === undefined ? scores : scope.op("Mul", [scores, factors]);
  return scope.op("Where", [enough, final, scope.floats(-1)], {}, "scores");
}

function levelCandidates(scope: Scope, head: ExportableHead, l: number, level: LevelGraph): CandidateGraph {
  const { numClasses, test } = head.settings;
  const flavour: MmdetFlavour = head instanceof FcosHead ? head.settings.normaliser : head.settings.flavour;
  const { classes, boxes, factors, width } = rowsOf(scope, level, numClasses);
  const makeBoxes = (number: Value) => {
    const own = gatherRows(scope.at("predicted"), boxes, number);
    return head instanceof FcosHead
      ? fcosBoxes(scope, head, l, number, width, own)
      : anchorBoxes(scope, head, l, number, width, own);
  };
  const threshold = test.scoreThreshold;
  if (flavour === "mmdet-2.3") {
    const top = scope.op("Sigmoid", [scope.op("ReduceMax", [classes], { axes: [2], keepdims: 1 })]);
    const ranked = scope.op("Squeeze", [
      factors === undefined ? top : scope.op("Mul", [top, factors]),
      scope.ints([2]),
    ]);
    const rows = inOrder(scope, best(scope, ranked, test.nmsPre)); // [B, k]
    const made = makeBoxes(rows);
    const own = factors && gatherRows(scope.at("factors"), factors, rows);
    const scores = scope.op("Sigmoid", [gatherRows(scope.at("classes"), classes, rows)], {}, "class_scores");
    return { boxes: made, scores: maskScores(scope, scores, { boxes: made, factors: own, threshold }) };
  }
  const all = scope.op(
    "Reshape",
    [scope.op("Sigmoid", [classes], {}, "class_scores"), scope.ints([0, -1])],
    {},
    "pairs",
  );
  const pairs = best(scope, all, test.nmsPre); // [B, k]
  const count = scope.ints(numClasses);
  const rows = scope.op("Div", [pairs, count], {}, "row");
  const labels = scope.op("Mod", [pairs, count], {}, "label");
  const made = makeBoxes(rows);
  const own = factors && gatherRows(scope.at("factors"), factors, rows);
  const scores = scope.op("Unsqueeze", [scope.op("GatherElements", [all, pairs], { axis: 1 }), scope.ints([2])]);
  return { boxes: made, scores: maskScores(scope, scores, { boxes: made, factors: own, threshold }), labels };
}

/**
 * Adds the candidates of all levels to a graph.
 *
 * @param scope names and nodes
 * @param head of the detector
 * @param levels its predictions
 * @param image what part of the input each image fills
 * @returns boxes and scores, level by level
 */
export function buildCandidates(
  scope: Scope,
  head: ExportableHead,
  levels: readonly LevelGraph[],
  { bounds, scales }: BoundsGraph,
): CandidateGraph {
  const found = levels.map((level, l) => levelCandidates(scope.at(`level_${l}`), head, l, level));
  const all = (values: readonly Value[], name: string) => scope.op("Concat", values, { axis: 1 }, name);
  const raw = all(
    found.map(({ boxes }) => boxes),
    "raw_boxes",
  );
  const inside = scope.op("Min", [scope.op("Max", [raw, scope.floats(0)]), bounds]);
  const boxes = scope.op("Div", [inside, scales], {}, "boxes");
  const scores = all(
    found.map((level) => level.scores),
    "scores",
  );
  const labels = found.flatMap((level) => level.labels ?? []);
  return labels.length > 0 ? { boxes, scores, labels: all(labels, "labels") } : { boxes, scores };
}
