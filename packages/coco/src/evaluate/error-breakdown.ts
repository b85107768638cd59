// Where AP is lost, after TIDE (D. Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020): each
// false alarm and each missed annotation has one kind of error, and a kind weighs what AP gains when it alone is repaired.
import { ConfigError } from "@caddet/core/base";
import type { CocoResults } from "../results/results";
import { averagePrecision, hitPrecision } from "./average-precision";
import type { EvaluationTruth } from "./evaluation-groups";
import { resolveParams } from "./evaluation-params";
import { bestOverlap, type ImageScene, imageScenes } from "./image-scene";

/** The kinds of error, in the order in which a false alarm is tested for them; "missed" is of annotations. */
export const ERROR_KINDS = ["localisation", "classification", "duplicate", "background", "both", "missed"] as const;

/** A kind of error. */
export type ErrorKind = (typeof ERROR_KINDS)[number];

/** Options of {@link errorBreakdown}. */
export interface ErrorBreakdownOptions {
  /** Foreground: IoU of a match, default 0.5. */
  readonly iou?: number;
  /** Background: false alarms that overlap less than this with anything are of the background, default 0.1. */
  readonly backgroundIou?: number;
  /** Detections counted for each image and category, default 100. */
  readonly maxDets?: number;
}

/** What went wrong, and what it costs. */
export interface ErrorBreakdown {
  /** AP at `iou`, 0 to 1; -1 without annotations. */
  readonly ap: number;
  /** How many errors of each kind there are. */
  readonly counts: Readonly<Record<ErrorKind, number>>;
  /** By how much AP rises when the errors of one kind are repaired. */
  readonly deltaAp: Readonly<Record<ErrorKind, number>>;
}

const HIT = -1;
const IGNORED = -2;

/** All detections, in one list. */
interface Verdicts {
  readonly scores: number[];
  readonly labels: number[];
  /** HIT, IGNORED, or a place in ERROR_KINDS. */
  readonly kinds: number[];
  /** The label that a repair gives; -1 where the repair is to leave the detection out. */
  readonly repaired: number[];
}

interface Context {
  readonly truth: EvaluationTruth;
  readonly iou: number;
  readonly backgroundIou: number;
  readonly maxDets: number;
}

// COCO's matching at one threshold: the annotation of each detection, IGNORED for a crowd's, or -1; `within` drops what is
// beyond the limit.
function matchScene(scene: ImageScene, { truth, iou, maxDets }: Context): { matches: Int32Array; within: Uint8Array } {
  const { truths, detections, labels } = scene;
  const { categoryIndex, iscrowd } = truth.annotations;
  const matches = new Int32Array(detections.length).fill(-1);
  const within = new Uint8Array(detections.length);
  const taken = new Uint8Array(truths.length);
  const counts = new Int32Array(truth.categories.ids.length);
  for (let d = 0; d < detections.length; d++) {
    const label = labels[d]!;
    if (counts[label]!++ >= maxDets) continue;
    within[d] = 1;
    const isOwn = (g: number, crowd: boolean) =>
      categoryIndex[truths[g]!] === label && (iscrowd[truths[g]!] !== 0) === crowd;
    const chosen = bestOverlap(scene, d, iou, (g) => taken[g] === 0 && isOwn(g, false));
    if (chosen >= 0) {
      matches[d] = chosen;
      taken[chosen] = 1;
    } else if (bestOverlap(scene, d, iou, (g) => isOwn(g, true)) >= 0) matches[d] = IGNORED;
  }
  return { matches, within };
}

/** The annotations that a detection overlaps most, of its own class and of others. */
interface Nearest {
  own: number;
  ownOverlap: number;
  other: number;
  otherOverlap: number;
}

function nearestOf({ truths, labels, overlaps }: ImageScene, d: number, { truth }: Context): Nearest {
  const { categoryIndex, iscrowd } = truth.annotations;
  const nearest = { own: -1, ownOverlap: 0, other: -1, otherOverlap: 0 };
  for (let g = 0; g < truths.length; g++) {
    const row = truths[g]!;
    const overlap = overlaps[d * truths.length + g]!;
    if (iscrowd[row] !== 0) continue;
    if (categoryIndex[row] === labels[d]) {
      if (overlap > nearest.ownOverlap) [nearest.own, nearest.ownOverlap] = [g, overlap];
    } else if (overlap > nearest.otherOverlap) [nearest.other, nearest.otherOverlap] = [g, overlap];
  }
  return nearest;
}

function kindOf({ ownOverlap, otherOverlap }: Nearest, { iou, backgroundIou }: Context): ErrorKind {
  if (ownOverlap >= backgroundIou && ownOverlap < iou) return "localisation";
  if (otherOverlap >= iou) return "classification";
  if (ownOverlap >= iou) return "duplicate";
  return Math.max(ownOverlap, otherOverlap) < backgroundIou ? "background" : "both";
}

// Adds an image's detections; returns the rows of annotations that are missed.
function judgeScene(scene: ImageScene, results: CocoResults, context: Context, verdicts: Verdicts): number[] {
  const { truths, detections, labels } = scene;
  const { categoryIndex, iscrowd } = context.truth.annotations;
  const { matches, within } = matchScene(scene, context);
  const matched = new Uint8Array(truths.length);
  for (const g of matches) if (g >= 0) matched[g] = 1;
  // An annotation is repaired once for each kind, by the highest score.
  const claimed = { localisation: new Uint8Array(truths.length), classification: new Uint8Array(truths.length) };
  for (let d = 0; d < detections.length; d++) {
    if (within[d] === 0) continue;
    let kind = matches[d]! >= 0 ? HIT : IGNORED;
    let repaired = -1;
    if (matches[d] === -1) {
      const nearest = nearestOf(scene, d, context);
      const name = kindOf(nearest, context);
      kind = ERROR_KINDS.indexOf(name);
      if (name === "localisation" || name === "classification") {
        const g = name === "localisation" ? nearest.own : nearest.other;
        if (matched[g] === 0 && claimed[name][g] === 0) repaired = categoryIndex[truths[g]!]!;
        claimed[name][g] = 1;
      }
    }
    verdicts.scores.push(results.scores[detections[d]!]!);
    verdicts.labels.push(labels[d]!);
    verdicts.kinds.push(kind);
    verdicts.repaired.push(repaired);
  }
  return Array.from(truths.entries())
    .filter(([g, row]) => iscrowd[row] === 0 && matched[g] === 0)
    .filter(([g]) => claimed.localisation[g] === 0 && claimed.classification[g] === 0)
    .map(([, row]) => row);
}

// Mean AP of the classes that have annotations, with the errors of one kind repaired.
function meanAp(
  order: Uint32Array,
  verdicts: Verdicts,
  truths: Int32Array,
  recalls: Float64Array,
  repair?: number,
): number {
  const alarms = new Int32Array(truths.length);
  const curves: number[][] = Array.from(truths, () => []);
  for (const n of order) {
    const kind = verdicts.kinds[n]!;
    if (kind === IGNORED) continue;
    const label = kind === repair ? verdicts.repaired[n]! : verdicts.labels[n]!;
    if (label < 0) continue;
    if (kind === HIT || kind === repair) curves[label]!.push(hitPrecision(curves[label]!.length + 1, alarms[label]!));
    else alarms[label]!++;
  }
  let sum = 0;
  let count = 0;
  for (let k = 0; k < truths.length; k++) {
    if (truths[k] === 0) continue;
    sum += averagePrecision(curves[k]!, truths[k]!, recalls);
    count++;
  }
  return count === 0 ? -1 : sum / count;
}

/**
 * Sorts errors into kinds and weighs each by the AP that repairing it alone would gain.
 *
 * With f = `iou` and b = `backgroundIou`, a false alarm is of the first kind that fits: localisation (b ≤ IoU < f with its own
 * class), classification (IoU ≥ f with another class), duplicate (IoU ≥ f with its own class, which is matched already),
 * background (IoU < b with everything), both (b ≤ IoU < f with another class). Missed annotations are those that neither a match nor
 * one of the first two kinds reaches. Repairs: the first two kinds become hits, one an annotation and only where it has no match, the
 * rest is left out; duplicate, background and both are left out; missed annotations are not counted.
 *
 * @param truth a data set; crowds are ignored as in COCO's evaluation
 * @param results detections; those of unknown categories are left out
 * @param options the two IoUs and the limit of detections
 * @returns AP, counts and gains by kind
 * @throws ConfigError unless 0 < backgroundIou < iou ≤ 1; DatasetError when a detection's image is not in the data set
 * @example errorBreakdown(dataset, results).deltaAp.localisation
 */
export function errorBreakdown(
  truth: EvaluationTruth,
  results: CocoResults,
  options: ErrorBreakdownOptions = {},
): ErrorBreakdown {
  const { iou = 0.5, backgroundIou = 0.1, maxDets = 100 } = options;
  if (!(backgroundIou > 0 && backgroundIou < iou && iou <= 1)) {
    throw new ConfigError(`Expected 0 < backgroundIou < iou <= 1, got ${backgroundIou} and ${iou}.`, {
      iou,
      backgroundIou,
    });
  }
  const { categoryIndex, iscrowd } = truth.annotations;
  const truths = new Int32Array(truth.categories.ids.length);
  for (let row = 0; row < categoryIndex.length; row++) if (iscrowd[row] === 0) truths[categoryIndex[row]!]!++;
  const found = truths.slice();
  const verdicts: Verdicts = { scores: [], labels: [], kinds: [], repaired: [] };
  const context = { truth, iou, backgroundIou, maxDets };
  for (const scene of imageScenes(truth, results)) {
    for (const row of judgeScene(scene, results, context, verdicts)) found[categoryIndex[row]!]!--;
  }
  const { scores } = verdicts;
  const order = Uint32Array.from(scores.keys()).sort((p, q) => scores[q]! - scores[p]! || p - q);
  const { recThrs } = resolveParams({}, { imgIds: [], catIds: [] });
  const ap = meanAp(order, verdicts, truths, recThrs);
  const counts = Object.fromEntries(
    ERROR_KINDS.map((kind, n) => [kind, verdicts.kinds.reduce((sum, k) => sum + (k === n ? 1 : 0), 0)]),
  ) as Record<ErrorKind, number>;
  counts.missed = truths.reduce((sum, all, k) => sum + all - found[k]!, 0);
  const gain = (kind: ErrorKind, n: number) =>
    (kind === "missed" ? meanAp(order, verdicts, found, recThrs) : meanAp(order, verdicts, truths, recThrs, n)) - ap;
  const deltaAp = Object.fromEntries(ERROR_KINDS.map((kind, n) => [kind, gain(kind, n)])) as Record<ErrorKind, number>;
  return { ap, counts, deltaAp };
}
