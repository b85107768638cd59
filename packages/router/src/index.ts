// Every public name of @caddet/router. Randomness is core's; it is here, too, for those who install this package alone.
export { createRandom, type Random } from "@caddet/core";
export { type Gate, type GateSettings, type SigmoidGateOptions, sigmoidGate, tanhGate } from "./gate";
export {
  createGateHealth,
  type GateHealth,
  type GateHealthOptions,
  type GateHealthReport,
  type GateWarning,
  type GateWarningKind,
} from "./gate-health";
export { type GateStatistics, type GateStatisticsOptions, gateStatistics } from "./gate-statistics";
export { type GumbelGateOptions, gumbelGate } from "./gumbel";
export {
  expectedL0,
  type HardConcreteGateOptions,
  type HardConcreteShape,
  hardConcreteGate,
  hardConcreteOpenProbability,
} from "./hard-concrete";
export {
  createPoolRouter,
  type PoolRouter,
  type PoolRouterOptions,
  type PoolRouterSettings,
  type PoolRouterSizes,
  poolRouterMadds,
} from "./pool-router";
