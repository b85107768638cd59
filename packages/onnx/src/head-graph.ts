// The towers and predictions of FCOS and RetinaNet heads as ONNX nodes. What the numbers mean for boxes is in decode-graph.ts.
import { ConfigError, type DetectionHead } from "@caddet/core";
import { FcosHead, RetinaHead } from "@caddet/heads";
import type { Scope, Value } from "./graph";
import { convolution, depthwiseConvolution, groupNorm } from "./layers";
import type { Weights } from "./weights";

/** A head that can be exported. */
export type ExportableHead = FcosHead | RetinaHead;

/** The predictions of one level, `[B, H, W, channels]` each, as the head's `forward` gives them in inference. */
export interface LevelGraph {
  readonly classes: Value;
  /** Distances in pixels, or shifts of anchors. */
  readonly boxes: Value;
  /** Centerness logits; RetinaNet has none. */
  readonly centerness?: Value;
}

/**
 * Fails for a head that cannot be exported.
 *
 * @param head of the detector
 * @returns the head
 * @throws ConfigError when it is neither FCOS nor RetinaNet of @caddet/heads
 */
export function checkHead(head: DetectionHead): ExportableHead {
  if (head instanceof FcosHead || head instanceof RetinaHead) return head;
  throw new ConfigError(
    `A ${head.constructor.name} cannot be exported: only FcosHead and RetinaHead of @caddet/heads can. ` +
      `Export with output "features", and run the head elsewhere.`,
    { head: head.constructor.name },
  );
}

type Layer = (x: Value, at: Scope) => Value;

function towerLayer(scope: Scope, weights: Weights, { settings }: ExportableHead): Layer {
  const norm = settings.norm === "batch" ? { norm: weights.at("norm") } : {};
  const conv = convolution(scope.at("conv"), weights.at("conv"), norm);
  const depthwise =
    settings.tower === "separable" ? depthwiseConvolution(scope.at("depthwise"), weights.at("depthwise")) : undefined;
  const group =
    settings.norm === "group" ? groupNorm(scope.at("norm"), weights.at("norm"), settings.groups) : undefined;
  return (x, at) => {
    const y = conv(depthwise ? depthwise(x, at) : x, at);
    return at.op("Relu", [group ? group(y, at) : y]);
  };
}

function tower(scope: Scope, weights: Weights, head: ExportableHead): Layer {
  const layers = Array.from({ length: head.settings.stackedConvs }, (_, i) =>
    towerLayer(scope.at(`${i}`), weights.at(`${i}`), head),
  );
  return (x, at) => layers.reduce((y, layer, i) => layer(y, at.at(`${i}`)), x);
}

/**
 * Adds a head to a graph.
 *
 * @param scope names and nodes
 * @param head of the detector
 * @param weights of the head
 * @param features `[B, C, H, W]` a level
 * @returns predictions a level
 */
export function buildHead(
  scope: Scope,
  head: ExportableHead,
  weights: Weights,
  features: readonly Value[],
): LevelGraph[] {
  const shared = head.settings.sharedTowers;
  const makeTower = (name: string) => tower(scope.at(name), weights.at(name), head);
  const classTower = makeTower(shared ? "tower" : "classTower");
  const boxTower = shared ? undefined : makeTower("boxTower");
  const predictor = (name: string) => convolution(scope.at(name), weights.at(name));
  const classes = predictor("classes");
  const boxes = predictor(head instanceof FcosHead ? "distances" : "deltas");
  const centerness = head instanceof FcosHead ? predictor("centerness") : undefined;
  return features.map((x, l) => {
    const level = scope.at(`level_${l}`);
    const at = (name: string) => level.at(name);
    const rows = (y: Value, name: string) => at(name).op("Transpose", [y], { perm: [0, 2, 3, 1] }, "nhwc");
    const forClass = classTower(x, at("class_tower"));
    const forBox = boxTower ? boxTower(x, at("box_tower")) : forClass;
    const level0 = { classes: rows(classes(forClass, at("classes")), "classes") };
    const predicted = rows(boxes(forBox, at("boxes")), "boxes");
    if (!(head instanceof FcosHead) || !centerness) return { ...level0, boxes: predicted };
    const { centernessOnReg, normOnBbox, strides } = head.settings;
    const factor = weights.at("scales").at(`${l}`).get("value").data[0]!;
    const scaled = at("boxes").op("Mul", [predicted, level.floats(factor)]);
    const distances = normOnBbox
      ? at("boxes").op("Mul", [at("boxes").op("Relu", [scaled]), level.floats(strides[l]!)])
      : at("boxes").op("Exp", [scaled]);
    const center = centerness(centernessOnReg ? forBox : forClass, at("centerness"));
    return { ...level0, boxes: distances, centerness: rows(center, "centerness") };
  });
}
