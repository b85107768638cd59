// The drawn data set of the demo.
export { type DrawnScenes, drawScenes } from "./draw-scenes";
export { INTERVALS, intervalOf, planScene, type SceneObject, visibleShare } from "./scene";
export { SHAPES } from "./shapes";
