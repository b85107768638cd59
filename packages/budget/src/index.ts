// Every public name of @caddet/budget.
export { type CostModel, createCostModel, expectedCost } from "./cost-model";
export { type GlobalBudgetLoss, globalBudgetLoss } from "./global-loss";
export { type LossAwareBudget, type LossAwareBudgetOptions, type LossAwareState, lossAwareBudget } from "./loss-aware";
export { type FixedBudgetOptions, fixedBudget, type ScaleBudgetOptions, scaleBudget } from "./mappings";
export { executedCost, totalCost } from "./route-cost";
export { type EncodeScalesOptions, encodeScales, PAPER_INTERVALS } from "./scale-encoding";
