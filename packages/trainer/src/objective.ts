// The overall objective of a batch (Eq. 9): L_tot = L_det + λ1 · L_global + λ2 · L_local. A pure composition of the head's loss, the
// budget and the path similarity; it is meant to be called inside tf.variableGrads.
import { createCostModel, encodeScales, globalBudgetLoss } from "@caddet/budget";
import { type BudgetMapping, type GroundTruth, type ImageSize, readNow } from "@caddet/core";
import type { Detector, DetectorOutput } from "@caddet/detector";
import { pathSimilarityLoss } from "@caddet/path-sim";
import * as tf from "@tensorflow/tfjs-core";

const OTHER_MAPPINGS = 'Choose budget.mapping "scale" or "fixed", which do not look at losses, or another backend.';

/** What the objective is made of. */
export interface ObjectiveOptions {
  /** Gives each image its expected cost. */
  readonly mapping: BudgetMapping;
  /** λ1, the weight of the global budget loss. 0 turns it off. */
  readonly budgetWeight: number;
  /** λ2, the weight of the path similarity loss. 0 turns it off. */
  readonly similarityWeight: number;
  /** Range of the target similarity, Eq. 8. */
  readonly similarity: { readonly min: number; readonly max: number };
  /** Upper ends of the scale intervals in pixels. */
  readonly intervals: readonly number[];
  /** Which pixels the intervals are measured in. */
  readonly pixels: "input" | "source";
  /** Whether the backbone computes once more in the backward pass what it would have to keep for it. Default false. */
  readonly checkpoint?: boolean;
  /** In place of the detector's own pass in training, e.g. of `compiledForward`. */
  readonly forward?: ((images: tf.Tensor4D) => DetectorOutput<unknown>) | undefined;
}

/** A batch on the device. */
export interface ObjectiveBatch {
  /** `[B, H, W, 3]`. */
  readonly images: tf.Tensor4D;
  readonly truths: readonly GroundTruth[];
  readonly sizes: readonly ImageSize[];
  /** `[B]`: for budget mappings that know images by id. Default none. */
  readonly imageIds?: readonly number[];
}

/** A batch whose images have been through the network. */
export interface PassedBatch extends Omit<ObjectiveBatch, "images"> {
  /** Of the network's input, pixels. */
  readonly inputSize: { readonly height: number; readonly width: number };
}

/** The objective's parts; all tensors are the caller's. */
export interface Objective {
  /** L_tot. */
  readonly total: tf.Scalar;
  /** The summands by name, weights included. */
  readonly terms: Readonly<Record<string, tf.Scalar>>;
  /** `[B, P]`; absent for a static backbone. */
  readonly gates?: tf.Tensor2D;
}

/**
 * The scale encoding of each image of a batch.
 *
 * @param batch truths and sizes
 * @param options intervals and which pixels they are measured in
 * @returns one encoding `[m]` an image
 * @example encodeBatch(batch, { intervals: [64, 150, 360], pixels: "input" })
 */
export function encodeBatch(
  { truths, sizes }: Pick<ObjectiveBatch, "truths" | "sizes">,
  { intervals, pixels }: Pick<ObjectiveOptions, "intervals" | "pixels">,
): Uint8Array[] {
  return truths.map(({ boxes, crowd }, b) => {
    const { scaleX = 1, scaleY = 1 } = sizes[b]!;
    const measured = pixels === "input" ? boxes : boxes.map((v, i) => v / (i % 2 === 0 ? scaleX : scaleY));
    return encodeScales(measured, { intervals, crowd });
  });
}

/**
 * Computes the objective of a batch.
 *
 * @param detector the network
 * @param batch images `[B, H, W, 3]`, truths and sizes
 * @param options weights, budget mapping, similarity range, intervals
 * @param regularize false leaves the two regularisers out (the paper's first epoch)
 * @returns the total, its terms and the gates
 * @throws ConfigError where the mapping looks at losses and the backend cannot be read at once (webgpu in Node); what the head, the
 * mapping or the shapes throw
 * @example tf.variableGrads(() => computeObjective(detector, batch, options, true).total)
 */
export function computeObjective(
  detector: Detector,
  batch: ObjectiveBatch,
  options: ObjectiveOptions,
  regularize: boolean,
): Objective {
  const { images, ...rest } = batch;
  const [, height, width] = images.shape;
  const { checkpoint = false, forward } = options;
  const output = forward ? forward(images) : detector.forward(images, { training: true, checkpoint });
  return objectiveOf(detector, output, { ...rest, inputSize: { height, width } }, options, regularize);
}

/**
 * The objective of a batch by what the network made of it.
 *
 * @param detector the network, whose head knows the loss
 * @param output raw maps and gates of the whole batch
 * @param batch truths, sizes and the size of the input
 * @param options as for {@link computeObjective}
 * @param regularize as for {@link computeObjective}
 * @returns the total, its terms and the gates
 */
export function objectiveOf(
  detector: Detector,
  { raw, gates }: DetectorOutput<unknown>,
  batch: PassedBatch,
  options: ObjectiveOptions,
  regularize: boolean,
): Objective {
  const { mapping, budgetWeight, similarityWeight, similarity } = options;
  const detection = detector.head.loss(raw, batch.truths);
  const terms: Record<string, tf.Scalar> = { ...detection.terms };

  if (gates && regularize && (budgetWeight > 0 || similarityWeight > 0)) {
    const encodings = encodeBatch(batch, options);
    if (budgetWeight > 0) {
      // The budgets are part of the loss that is being computed.
      const losses = mapping.usesLoss ? readNow(detection.perImage, "The budget mapping", OTHER_MAPPINGS) : undefined;
      const expected = mapping(
        batch.truths.map((truth, b) => ({
          scaleEncoding: encodings[b]!,
          truth,
          ...(batch.imageIds ? { imageId: batch.imageIds[b]! } : {}),
          ...(losses ? { detectionLoss: losses[b]! } : {}),
        })),
      );
      const { height, width } = batch.inputSize;
      const costs = createCostModel(gates.nodeOfPath, detector.backbone.routing!.cost(height, width));
      const netCost = tf.div(costs.expectedCost(gates.values), costs.total) as tf.Tensor1D; // C_net / C_tot, [B]
      costs.dispose();
      terms.global = tf.mul(globalBudgetLoss(netCost, expected).loss, budgetWeight);
    }
    if (similarityWeight > 0) {
      const local = pathSimilarityLoss({ gates: gates.values, encodings, ...similarity });
      terms.local = tf.mul(local, similarityWeight);
    }
  }
  const total = tf.addN(Object.values(terms)) as tf.Scalar;
  return gates ? { total, terms, gates: gates.values } : { total, terms };
}
