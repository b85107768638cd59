// Every public name of @caddet/path-sim.
export { type PathSimilarityLossOptions, pathSimilarityLoss } from "./loss";
export { pathSimilarity } from "./path-similarity";
export { scaleSimilarity, type TargetSimilarityOptions, targetSimilarity } from "./scale-similarity";
