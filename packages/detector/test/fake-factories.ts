// A backbone and a head that configurations can name, small enough to work out by hand, with nothing of @caddet but core.

import type { NeckFactory } from "@caddet/core";
import {
  type Backbone,
  type BackboneFactory,
  Conv,
  type DetectionHead,
  type Detections,
  type FeaturePyramid,
  type HeadContext,
  type HeadFactory,
  Module,
  type Random,
  type RoutedOutput,
  tidy,
} from "@caddet/core";
import { checkConfig } from "@caddet/core/schema";
import * as tf from "@tensorflow/tfjs-core";
import { z } from "zod";
import { DoublingNeck } from "./fake-parts";

const poolSchema = z.strictObject({
  type: z.literal("pool").default("pool"),
  channels: z.int().min(1).default(4),
  levels: z.int().min(1).max(3).default(2),
  threshold: z.number().default(0.5),
});

/** A configuration of {@link poolFactory}. */
export type PoolConfig = z.output<typeof poolSchema>;

const NODE_OF_PATH = [0, 0, 1];

/** Pools images to one cell for 8 pixels and mixes colours; every further level halves the map. Three gates, one of them closed. */
export class PoolBackbone extends Module implements Backbone {
  readonly strides: readonly number[];
  readonly channels: number;
  readonly threshold: number;
  readonly mix: Conv;

  constructor({ channels, levels, threshold }: PoolConfig, random: Random) {
    super();
    this.strides = Array.from({ length: levels }, (_, l) => 8 * 2 ** l);
    this.channels = channels;
    this.threshold = threshold;
    this.mix = this.child("mix", new Conv({ inChannels: 3, outChannels: channels, random }));
  }

  forward(images: tf.Tensor4D) {
    return tidy(() => {
      const maps = [this.mix.apply(tf.avgPool(images, 8, 8, "same"))];
      while (maps.length < this.strides.length) maps.push(tf.avgPool(maps.at(-1)!, 2, 2, "same"));
      const values = tf.tile(tf.tensor2d([[1, 0.75, 0]]), [images.shape[0], 1]) as tf.Tensor2D;
      return { features: { maps, strides: this.strides }, gates: { values, nodeOfPath: NODE_OF_PATH } };
    });
  }

  async forwardRouted(images: tf.Tensor4D): Promise<RoutedOutput> {
    const { features, gates } = this.forward(images);
    const values = await gates.values.data<"float32">();
    gates.values.dispose();
    return { features, gates: values, madds: new Float64Array(images.shape[0]).fill(3 * this.channels) };
  }
}

const peakSchema = z.strictObject({
  type: z.literal("peak").default("peak"),
  width: z.int().min(1).default(4),
  /** Strides that it takes, whatever there are. */
  strides: z.array(z.number()).optional(),
  test: z.strictObject({ sharpness: z.number().positive().default(1) }).prefault({}),
});

/** A configuration of {@link peakFactory}. */
export type PeakConfig = z.output<typeof peakSchema>;

/** Finds one object an image: the class of the largest mean logit, in a box of the coarsest stride. */
export class PeakHead extends Module implements DetectionHead<tf.Tensor2D> {
  readonly numClasses: number;
  readonly settings: { readonly strides: readonly number[]; readonly inChannels: number };
  readonly #sharpness: number;
  readonly #hidden: Conv;
  readonly #classes: Conv;

  constructor({ width, strides, test }: PeakConfig, context: HeadContext) {
    super();
    const { inChannels, numClasses, random } = context;
    this.numClasses = numClasses;
    this.settings = { strides: strides ?? context.strides, inChannels };
    this.#sharpness = test.sharpness;
    this.#hidden = this.child("hidden", new Conv({ inChannels, outChannels: width, random }));
    this.#classes = this.child("classes", new Conv({ inChannels: width, outChannels: numClasses, bias: 0, random }));
  }

  forward({ maps }: FeaturePyramid): tf.Tensor2D {
    return tf.tidy(() => tf.mean(this.#classes.apply(this.#hidden.apply(maps[0]!)), [1, 2]) as tf.Tensor2D);
  }

  loss(raw: tf.Tensor2D): ReturnType<DetectionHead["loss"]> {
    return tf.tidy(() => {
      const perImage = tf.sum(tf.square(raw), 1) as tf.Tensor1D;
      return { perImage, terms: { peak: tf.sum(perImage) as tf.Scalar } };
    });
  }

  async decode(raw: tf.Tensor2D): Promise<Detections[]> {
    const side = this.settings.strides.at(-1)!;
    const rows = (await raw.array()) as number[][];
    return rows.map((logits) => {
      const best = Math.max(...logits);
      return {
        boxes: Float32Array.of(0, 0, side, side),
        scores: Float32Array.of(1 / (1 + Math.exp(-this.#sharpness * best))),
        labels: Int32Array.of(logits.indexOf(best)),
      };
    });
  }

  disposeRaw(raw: tf.Tensor2D): void {
    raw.dispose();
  }
}

export const poolFactory: BackboneFactory<PoolConfig> = {
  type: "pool",
  parse: (config, at) => checkConfig(poolSchema, config, "pool", { at }),
  build: (config, { random }) => new PoolBackbone(config, random),
  minWeights: ({ channels }) => 3 * channels,
};

const doubleSchema = z.strictObject({
  type: z.literal("double").default("double"),
  /** Weights that it says it has, whatever it has. */
  says: z.int().min(1).default(1),
});

/** The neck of fake-parts.ts by configuration. */
export const doubleFactory: NeckFactory<z.output<typeof doubleSchema>> = {
  type: "double",
  parse: (config, at) => checkConfig(doubleSchema, config, "double", { at }),
  build: (_, { inChannels, strides }) => new DoublingNeck({ strides, channels: inChannels }),
  minWeights: ({ says }) => says,
};

export const peakFactory: HeadFactory<PeakConfig> = {
  type: "peak",
  parse: (config, at) => checkConfig(peakSchema, config, "peak", { at }),
  build: (config, context) => new PeakHead(config, context),
  minWeights: ({ width }, { inChannels, numClasses }) => width * (inChannels + numClasses),
};
