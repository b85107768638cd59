// From candidates to detections inside the graph: non-maximum suppression, then for each image the best, best first. Of equal scores
// the earlier candidate comes first, as in @caddet/heads.
import type { CandidateGraph } from "./decode-graph";
import type { Scope, Value } from "./graph";

/** Which suppression. */
export interface SuppressSettings {
  readonly numClasses: number;
  /** A box is dropped when its IoU with a better one is larger. */
  readonly nmsIou: number;
  readonly classAgnostic: boolean;
  readonly maxPerImage: number;
}

/** The detections of a batch, image by image, best first. */
export interface DetectionGraph {
  /** `[N, 4]` float */
  readonly boxes: Value;
  /** `[N]` float */
  readonly scores: Value;
  /** `[N]` int32 */
  readonly labels: Value;
  /** `[N]` int32: the image of each. */
  readonly imageIndex: Value;
}

/** Candidates as NonMaxSuppression takes them. */
interface Groups {
  /** `[B, N, 4]` */
  readonly boxes: Value;
  /** `[B, G, N]`: boxes of one group suppress each other; -1 for none. */
  readonly scores: Value;
  /** Classes of what was selected, `[M]` int64, from image, group and box `[M]`. */
  readonly labelsOf: (image: Value, group: Value, box: Value) => Value;
}

function groupsOf(scope: Scope, { boxes, scores, labels }: CandidateGraph, settings: SuppressSettings): Groups {
  const { numClasses, classAgnostic } = settings;
  const swapped = () => scope.op("Transpose", [scores], { perm: [0, 2, 1] }, "by_group");
  if (labels === undefined) {
    if (!classAgnostic) return { boxes, scores: swapped(), labelsOf: (_, group) => group };
    // One box a pair of box and class.
    const wide = scope.op("Expand", [
      scope.op("Unsqueeze", [boxes, scope.ints([2])]),
      scope.ints([1, 1, numClasses, 1]),
    ]);
    return {
      boxes: scope.op("Reshape", [wide, scope.ints([0, -1, 4])]),
      scores: scope.op("Reshape", [scores, scope.ints([0, 1, -1])], {}, "by_group"),
      labelsOf: (_, __, box) => scope.op("Mod", [box, scope.ints(numClasses)]),
    };
  }
  const labelsOf = (image: Value, _: Value, box: Value) => {
    const at = [image, box].map((index) => scope.op("Unsqueeze", [index, scope.ints([1])]));
    return scope.op("GatherND", [labels, scope.op("Concat", at, { axis: 1 })]);
  };
  if (classAgnostic) return { boxes, scores: swapped(), labelsOf };
  const classes = scope.ints(
    Array.from({ length: numClasses }, (_, c) => c),
    [1, numClasses, 1],
  );
  const own = scope.op("Equal", [scope.op("Unsqueeze", [labels, scope.ints([1])]), classes]); // [B, C, N]
  return { boxes, scores: scope.op("Where", [own, swapped(), scope.floats(-1)], {}, "by_class"), labelsOf };
}

/**
 * Adds suppression to a graph.
 *
 * @param scope names and nodes
 * @param candidates boxes and scores
 * @param settings thresholds and limits
 * @returns the detections
 */
export function buildSuppression(scope: Scope, candidates: CandidateGraph, settings: SuppressSettings): DetectionGraph {
  const { numClasses, nmsIou, maxPerImage } = settings;
  const { boxes, scores, labelsOf } = groupsOf(scope, candidates, settings);
  // Scores are at least 0, and -1 where there is no candidate.
  const limits = [scope.ints([maxPerImage]), scope.floats([nmsIou]), scope.floats([-0.5])];
  const selected = scope.op("NonMaxSuppression", [boxes, scores, ...limits], {}, "selected"); // [M, 3]
  const columns = scope.ops("Split", [selected], 3, { axis: 1 });
  const [image, group, box] = columns.map((column) => scope.op("Squeeze", [column, scope.ints([1])])) as [
    Value,
    Value,
    Value,
  ];
  const label = labelsOf(image, group, box);
  const score = scope.op("GatherND", [scores, selected], {}, "score");
  const where = scope.op("Concat", [columns[0]!, columns[2]!], { axis: 1 });
  const corners = scope.op("GatherND", [boxes, where], {}, "corners");

  // Stable sorts, the last one first in rank: by candidate, by score, by image.
  const count = scope.op("Shape", [score], {}, "count");
  const order = (key: Value, largest: 0 | 1) => scope.ops("TopK", [key, count], 2, { axis: 0, largest }, "order")[1]!;
  const take = (x: Value, at: Value) => scope.op("Gather", [x, at], { axis: 0 });
  const candidate = scope.op("Add", [scope.op("Mul", [box, scope.ints(numClasses)]), label], {}, "candidate");
  const byCandidate = order(candidate, 0);
  const byScore = take(byCandidate, order(take(score, byCandidate), 1));
  const sorted = take(byScore, order(take(image, byScore), 0));

  // The rank of each within its image: how many of the same image came before.
  const images = scope.op("Range", [
    scope.ints(0),
    scope.op("Squeeze", [scope.op("Shape", [boxes], { start: 0, end: 1 })]),
    scope.ints(1),
  ]);
  const ownImage = take(image, sorted);
  const same = scope.op("Equal", [scope.op("Unsqueeze", [ownImage, scope.ints([1])]), images]); // [M, B]
  const member = scope.op("Cast", [same], { to: 1 });
  const before = scope.op("CumSum", [member, scope.ints(0)], { exclusive: 1 });
  const rank = scope.op("ReduceSum", [scope.op("Mul", [before, member]), scope.ints([1])], { keepdims: 0 }, "rank");
  const kept = scope.op("Less", [rank, scope.floats(maxPerImage)], {}, "kept");
  const chosen = scope.op("Compress", [sorted, kept], { axis: 0 }, "chosen");
  const toInt = (x: Value) => scope.op("Cast", [x], { to: 6 });
  return {
    boxes: take(corners, chosen),
    scores: take(score, chosen),
    labels: toInt(take(label, chosen)),
    imageIndex: toInt(take(image, chosen)),
  };
}
