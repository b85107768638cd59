// What a model gives of its network: pyramid, raw maps or detections, each under its name and with its shape.
import type { Size } from "@caddet/core";
import { FcosHead } from "@caddet/heads";
import { type Supernet, scaleSizes } from "@caddet/supernet";
import { buildCandidates } from "./decode-graph";
import type { Scope, Value } from "./graph";
import { buildHead, type ExportableHead } from "./head-graph";
import { boundsOfImages } from "./input-graph";
import type { Dimension, ValueInfo } from "./model-proto";
import { buildSuppression } from "./suppress-graph";
import type { Weights } from "./weights";

/** The shape of a level's maps, without channels. */
export type Shapes = (level: number) => Dimension[];

/** A model's output under its own name. */
export interface Output extends ValueInfo {
  readonly value: Value;
}

/** The pyramid as outputs. */
export function featureOutputs(scope: Scope, net: Supernet, features: readonly Value[], shapeOf: Shapes): Output[] {
  return features.map((value, l) => ({
    name: `features_${l}`,
    type: "float",
    shape: [...shapeOf(l), net.channels],
    value: scope.op("Transpose", [value], { perm: [0, 2, 3, 1] }, "features_nhwc"),
  }));
}

/** The head's raw maps as outputs, or the detections that are made of them. */
export function headOutputs(
  scope: Scope,
  head: ExportableHead,
  weights: Weights,
  features: readonly Value[],
  { output, shapeOf }: { readonly output: "detections" | "raw" | "features"; readonly shapeOf: Shapes },
): Output[] {
  const levels = buildHead(scope.at("head"), head, weights, features);
  if (output === "raw") {
    const boxes = head instanceof FcosHead ? "distances" : "deltas";
    const perCell =
      head instanceof FcosHead ? 1 : head.settings.anchors.ratios.length * head.settings.anchors.scalesPerOctave;
    return levels.flatMap((level, l) => {
      const map = (name: string, channels: number, value: Value): Output => ({
        name: `${name}_${l}`,
        type: "float",
        shape: [...shapeOf(l), channels],
        value,
      });
      return [
        map("classes", perCell * head.numClasses, level.classes),
        map(boxes, perCell * 4, level.boxes),
        ...(level.centerness === undefined ? [] : [map("centerness", 1, level.centerness)]),
      ];
    });
  }
  const candidates = buildCandidates(scope.at("decode"), head, levels, boundsOfImages(scope.at("bounds")));
  const { test, numClasses } = head.settings;
  const found = buildSuppression(scope.at("nms"), candidates, { ...test, numClasses });
  return [
    { name: "boxes", type: "float", shape: ["detections", 4], value: found.boxes },
    { name: "scores", type: "float", shape: ["detections"], value: found.scores },
    { name: "labels", type: "int32", shape: ["detections"], value: found.labels },
    { name: "image_index", type: "int32", shape: ["detections"], value: found.imageIndex },
  ];
}

/** The shape `[B, H, W]` of each level's maps: numbers where the input's size is fixed. */
export function shapesOf(net: Supernet, size: Size | undefined): Shapes {
  const levels = net.strides.length;
  const sizes = size && scaleSizes(size, levels);
  return (l) => ["batch", ...(sizes ? sizes[l]! : [`rows_${l}`, `columns_${l}`])];
}
