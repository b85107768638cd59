// Every public name of @caddet/heads.

export { type AnchorOptions, baseAnchors, levelAnchors } from "./anchors";
export { assignFcosTargets, type FcosAssignOptions, type FcosTargets, type RegressRange } from "./assign";
export { centernessLoss, centernessTarget } from "./centerness";
export {
  boxToDistance,
  type DecodeDeltaOptions,
  type DeltaOptions,
  decodeDeltas,
  distanceToBox,
  encodeDeltas,
} from "./coders";
export { binaryCrossEntropy, l1Loss } from "./elementwise-loss";
export { type FcosConfig, fcosFactory } from "./fcos-factory";
export { createFcosHead, FcosHead } from "./fcos-head";
export type { FcosHeadOptions, FcosLossWeights, FcosSettings } from "./fcos-options";
export type { FcosRaw } from "./fcos-raw";
export { type FocalLossOptions, sigmoidFocalLoss } from "./focal-loss";
export { type AnchorGrid, assignGridMaxIou } from "./grid-assign";
export type { MmdetFlavour, TestOptions } from "./head-settings";
export { type IouLossKind, iouLoss } from "./iou-loss";
export { assignMaxIou, type MaxIouOptions } from "./max-iou-assign";
export { type MulticlassNmsOptions, multiclassNms } from "./multiclass-nms";
export { batchedNms, nms } from "./nms";
export { bboxOverlaps, type OverlapMode } from "./overlaps";
export { fcosPoints, type MapSize } from "./points";
export { type RetinaConfig, retinaFactory } from "./retina-factory";
export { createRetinaHead, RetinaHead } from "./retina-head";
export type { RetinaBoxLoss, RetinaHeadOptions, RetinaLossWeights, RetinaSettings } from "./retina-options";
export type { RetinaRaw } from "./retina-raw";
export { assignRetinaTargets, type RetinaAssignOptions, type RetinaTargets } from "./retina-targets";
export {
  batchedSoftNms,
  type SoftNmsDecay,
  type SoftNmsOptions,
  type SoftNmsResult,
  softNms,
} from "./soft-nms";
export type { NmsKind, SuppressionOptions } from "./suppression";
export { fcosFromTorch, retinaFromTorch, type TorchNameOptions } from "./torch-names";
export type { TowerKind, TowerNorm } from "./tower";
