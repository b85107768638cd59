// Every public name of @caddet/router.
export { type GateStatistics, type GateStatisticsOptions, gateStatistics } from "./gate-statistics";
export { createPoolRouter, type PoolRouterOptions, type PoolRouterSizes, poolRouterMadds } from "./pool-router";
