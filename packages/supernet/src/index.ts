// Every public name of @caddet/supernet.
export { type InputSize, type NodeCost, type RouterCost, type SupernetCost, scaleSizes, supernetCost } from "./cost";
export { type SupernetConfig, supernetFactory } from "./factory";
export { FrozenSupernet } from "./frozen";
export { PRESETS, type PresetName } from "./presets";
export type { RoutedForwardOptions } from "./routed";
export {
  createRoutingSpace,
  type PathKind,
  type RoutingNode,
  type RoutingPath,
  type RoutingSpace,
  type SupernetShape,
} from "./routing-space";
export {
  createSupernet,
  type DenseForwardOptions,
  type RouterFactory,
  Supernet,
  type SupernetOptions,
} from "./supernet";
export { supernetFromTorch } from "./torch";
