// The global budget loss (Eq. 4), on costs as fractions of the total: in MAdds it would be of the order of 1e18.
import { NonFiniteError, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

/** The global budget loss of a batch. */
export interface GlobalBudgetLoss {
  /** `[B]`: the squared gap of each image. */
  readonly perImage: tf.Tensor1D;
  /** The mean of `perImage`. */
  readonly loss: tf.Scalar;
}

/**
 * The squared gap between what a route costs and what its image is allowed: `((C_net - C_expect) / C_tot)²`.
 *
 * @param netCost `[B]`, the expected cost of the routes as a fraction of C_tot
 * @param expected `[B]`, what a budget mapping allows, as a fraction of C_tot; a constant of the loss when it is an array
 * @returns the loss of each image and their mean; both are the caller's
 * @throws ShapeError when the lengths differ or the batch is empty; NonFiniteError when a budget of an array is not finite
 * @example globalBudgetLoss(tf.div(model.expectedCost(gates), model.total), scaleBudget()(images)).loss
 */
export function globalBudgetLoss(netCost: tf.Tensor1D, expected: ArrayLike<number> | tf.Tensor1D): GlobalBudgetLoss {
  const isArray = "length" in expected;
  const budgets = isArray ? expected.length : expected.size;
  if (netCost.rank !== 1 || netCost.size === 0 || budgets !== netCost.size) {
    throw new ShapeError(
      `globalBudgetLoss needs one cost and one budget an image, got costs [${netCost.shape}] and ${budgets} budgets.`,
    );
  }
  const wrong = isArray ? Array.from(expected).findIndex((budget) => !Number.isFinite(budget)) : -1;
  if (isArray && wrong >= 0) {
    throw new NonFiniteError(
      `globalBudgetLoss needs finite budgets, got ${expected[wrong]} for image ${wrong} of the batch; look at the budget mapping.`,
      { image: wrong, budget: expected[wrong] },
    );
  }
  return tf.tidy(() => {
    const budget = isArray ? tf.tensor1d(Float32Array.from(expected)) : expected;
    const perImage = tf.squaredDifference(netCost, budget) as tf.Tensor1D; // [B]
    return { perImage, loss: tf.mean(perImage) as tf.Scalar };
  });
}
