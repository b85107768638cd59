// A routed backbone and a head that learn coloured squares within a test: convolution, norm, gates of the features, two regressions.
// With nothing of @caddet but core and budget.
import { executedCost } from "@caddet/budget";
import {
  type Backbone,
  type BackboneFactory,
  BatchNorm,
  Conv,
  type DetectionHead,
  type Detections,
  type FeaturePyramid,
  type GroundTruth,
  type HeadContext,
  type HeadFactory,
  Linear,
  Module,
  type Random,
  type RoutedOutput,
  tidy,
} from "@caddet/core";
import { checkConfig } from "@caddet/core/schema";
import type { ModelParts } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";

const backboneSchema = z.strictObject({
  type: z.literal("gated").default("gated"),
  width: z.int().min(1).default(6),
  threshold: z.number().default(0.01),
  /** How much is drawn on top of each gate's logit in training. */
  noise: z.number().default(0),
});
type BackboneConfig = z.output<typeof backboneSchema>;

/** Node 0 has two paths, node 1 has one. */
const NODE_OF_PATH = [0, 0, 1];
const COST = { node: [10, 20], path: [1, 2, 3] };

/** One map of stride 8, multiplied by the mean of the image's gates. */
class GatedBackbone extends Module implements Backbone {
  readonly strides = [8];
  readonly channels: number;
  readonly routing: NonNullable<Backbone["routing"]>;
  readonly #conv: Conv;
  readonly #norm: BatchNorm;
  readonly #gates: Linear;
  readonly #draw: (shape: readonly [number, number]) => tf.Tensor2D;

  constructor({ width, threshold, noise }: BackboneConfig, random: Random) {
    super();
    this.#draw = ([b, k]) =>
      tf.tensor2d(
        Float32Array.from({ length: b * k }, () => noise * random.normal() + 0), // never -0
        [b, k],
      );
    this.channels = width;
    this.routing = { nodeOfPath: NODE_OF_PATH, threshold, cost: () => COST };
    const conv = new Conv({ inChannels: 3, outChannels: width, kernelSize: 3, stride: 2, bias: false, random });
    this.#conv = this.child("conv", conv);
    this.#norm = this.child("norm", new BatchNorm(width));
    this.#gates = this.child("gates", new Linear({ inFeatures: width, outFeatures: 3, bias: 1, random }));
  }

  forward(images: tf.Tensor4D, { training }: { readonly training: boolean }) {
    return tidy(() => {
      const x = this.#norm.apply(this.#conv.apply(tf.avgPool(images, 4, 4, "same")), { training, activation: "relu" });
      const logits = this.#gates.apply(tf.mean(x, [1, 2]) as tf.Tensor2D);
      const drawn = training ? tf.add(logits, this.#draw(logits.shape)) : logits;
      const values = tf.relu(tf.tanh(drawn)) as tf.Tensor2D; // [B, 3]
      const factor = tf.reshape(tf.mean(values, 1), [-1, 1, 1, 1]);
      const maps = [tf.mul(x, factor) as tf.Tensor4D];
      return { features: { maps, strides: this.strides }, gates: { values, nodeOfPath: NODE_OF_PATH } };
    });
  }

  async forwardRouted(images: tf.Tensor4D): Promise<RoutedOutput> {
    const { features, gates } = this.forward(images, { training: false });
    const values = await gates.values.data<"float32">();
    gates.values.dispose();
    const madds = Float64Array.from(executedCost(values, NODE_OF_PATH, COST, this.routing.threshold));
    return { features, gates: values, madds };
  }
}

const headSchema = z.strictObject({
  type: z.literal("regression").default("regression"),
  classWeight: z.number().positive().default(1),
});
type HeadConfig = z.output<typeof headSchema>;

/** What the head predicts of an image's one object: a number a class `[B, K]` and the box in shares of 32 pixels `[B, 4]`. */
interface Raw {
  readonly classes: tf.Tensor2D;
  readonly boxes: tf.Tensor2D;
}

const SIDE = 32;

class RegressionHead extends Module implements DetectionHead<Raw> {
  readonly numClasses: number;
  readonly #classWeight: number;
  readonly #classes: Linear;
  readonly #boxes: Linear;

  constructor({ classWeight }: HeadConfig, { inChannels, numClasses, random }: HeadContext) {
    super();
    this.numClasses = numClasses;
    this.#classWeight = classWeight;
    this.#classes = this.child("classes", new Linear({ inFeatures: inChannels, outFeatures: numClasses, random }));
    this.#boxes = this.child("boxes", new Linear({ inFeatures: inChannels, outFeatures: 4, random }));
  }

  forward({ maps }: FeaturePyramid): Raw {
    return tidy(() => {
      const x = tf.mean(maps[0]!, [1, 2]) as tf.Tensor2D;
      return { classes: this.#classes.apply(x), boxes: this.#boxes.apply(x) };
    });
  }

  loss({ classes, boxes }: Raw, truths: readonly GroundTruth[]): ReturnType<DetectionHead["loss"]> {
    return tidy(() => {
      // An image without objects wants no class, and any box.
      const wanted = truths.map(({ labels }) => Array.from({ length: this.numClasses }, (_, k) => +(labels[0] === k)));
      const places = truths.map((t) => Array.from({ length: 4 }, (_, i) => (t.boxes[i] ?? 0) / SIDE));
      const counts = tf.tensor1d(truths.map(({ labels }) => Math.min(1, labels.length)));
      const byClass = tf.mul(tf.sum(tf.squaredDifference(classes, tf.tensor2d(wanted)), 1), this.#classWeight);
      const byBox = tf.mul(tf.sum(tf.squaredDifference(boxes, tf.tensor2d(places)), 1), counts);
      const terms = { classification: tf.sum(byClass) as tf.Scalar, box: tf.sum(byBox) as tf.Scalar };
      return { perImage: tf.add(byClass, byBox) as tf.Tensor1D, terms };
    });
  }

  async decode({ classes, boxes }: Raw): Promise<Detections[]> {
    const [scores, places] = await Promise.all([classes.data<"float32">(), boxes.data<"float32">()]);
    return Array.from({ length: classes.shape[0] }, (_, b) => {
      const own = scores.subarray(b * this.numClasses, (b + 1) * this.numClasses);
      const best = own.indexOf(Math.max(...own));
      return {
        boxes: places.slice(b * 4, b * 4 + 4).map((v) => v * SIDE),
        scores: Float32Array.of(Math.min(Math.max(own[best]!, 0), 1)),
        labels: Int32Array.of(best),
      };
    });
  }

  disposeRaw({ classes, boxes }: Raw): void {
    tf.dispose([classes, boxes]);
  }
}

const backbone: BackboneFactory<BackboneConfig> = {
  type: "gated",
  parse: (config, at) => checkConfig(backboneSchema, config, "gated", { at }),
  build: (config, { random }) => new GatedBackbone(config, random),
};

const head: HeadFactory<HeadConfig> = {
  type: "regression",
  parse: (config, at) => checkConfig(headSchema, config, "regression", { at }),
  build: (config, context) => new RegressionHead(config, context),
};

/** Both, for configurations. */
export const PARTS: ModelParts = { backbones: [backbone], heads: [head] };
