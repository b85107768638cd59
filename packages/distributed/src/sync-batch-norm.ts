// Makes the batch normalisations of a network normalise by the batches of all ranks together. The mathematics is in @caddet/core.
import { BatchNorm, type Module } from "@caddet/core";
import type { ThreadCollective } from "./thread-collective";

/**
 * Has all batch normalisations below a module take the moments of all ranks' batches in training. Ranks then have to run the same network on
 * the same number of batches; what a forward or backward pass meets on one rank only, the others wait for. Frozen ones stay frozen.
 *
 * @param module a detector, or any part of one
 * @param collective this rank's, with `wait: "block"`
 * @returns a function that makes each rank normalise by its own batch again
 * @example const undo = syncBatchNorm(detector, collective);
 */
export function syncBatchNorm(module: Module, collective: ThreadCollective): () => void {
  const norms = [...module.modules()].filter((part) => part instanceof BatchNorm);
  const before = norms.map((norm) => norm.reduce);
  for (const norm of norms) {
    norm.reduce = (values) => {
      collective.allReduceMeanNow([values]);
      for (let i = 0; i < values.length; i++) values[i]! *= collective.size;
    };
  }
  return () => {
    for (const [i, norm] of norms.entries()) norm.reduce = before[i];
  };
}
