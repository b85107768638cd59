// The drawn data set of the demo.
export { type DrawnScenes, type DrawnSplit, type DrawScenesOptions, drawScenes } from "./draw-scenes";
export { paintScene } from "./paint";
export {
  INTERVALS,
  intervalOf,
  planScene,
  type Scene,
  type SceneKind,
  type SceneObject,
  type SceneOptions,
  visibleShare,
} from "./scene";
export { SHAPES, type Shape } from "./shapes";
