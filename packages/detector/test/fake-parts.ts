// A head and a neck that other people might write: with nothing of @caddet but core.
import { type DetectionHead, type Detections, type FeaturePyramid, Module, type Neck } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

/** Doubles every map and drops the finest level. */
export class DoublingNeck extends Module implements Neck {
  readonly strides: readonly number[];
  readonly channels: number;
  readonly factor = this.parameter("factor", tf.scalar(2), "weight");

  constructor({ strides, channels }: Pick<Neck, "strides" | "channels">) {
    super();
    this.strides = strides.slice(1);
    this.channels = channels;
  }

  forward({ maps }: FeaturePyramid): FeaturePyramid {
    return { maps: maps.slice(1).map((map) => tf.mul(map, this.factor)), strides: this.strides };
  }
}

/** Finds one box an image: its score is the mean of the coarsest map, its side that map's stride. */
export class MeanHead extends Module implements DetectionHead<tf.Tensor1D> {
  readonly numClasses = 1;
  readonly seen: FeaturePyramid["strides"][] = [];

  constructor(readonly settings?: { readonly strides?: readonly number[]; readonly inChannels?: number }) {
    super();
  }

  forward({ maps, strides }: FeaturePyramid): tf.Tensor1D {
    this.seen.push(strides);
    return tf.mean(maps.at(-1)!, [1, 2, 3]);
  }

  loss(raw: tf.Tensor1D): ReturnType<DetectionHead["loss"]> {
    return { perImage: tf.square(raw), terms: { mean: tf.sum(tf.square(raw)) } };
  }

  async decode(raw: tf.Tensor1D): Promise<Detections[]> {
    const side = this.seen.at(-1)!.at(-1)!;
    return Array.from(await raw.data<"float32">(), (score) => ({
      boxes: Float32Array.of(0, 0, side, side),
      scores: Float32Array.of(score),
      labels: Int32Array.of(0),
    }));
  }

  disposeRaw(raw: tf.Tensor1D): void {
    raw.dispose();
  }
}

/** Two levels of one channel, each image's mean in every cell; a static backbone. */
export class MeanBackbone extends Module {
  readonly strides: readonly number[];
  readonly channels: number;

  constructor({ strides = [8, 16], channels = 1 }: { strides?: readonly number[]; channels?: number } = {}) {
    super();
    this.strides = strides;
    this.channels = channels;
  }

  forward(images: tf.Tensor4D): { features: FeaturePyramid } {
    const mean = tf.mean(images, [1, 2, 3], true);
    return { features: { maps: this.strides.map(() => tf.clone(mean) as tf.Tensor4D), strides: this.strides } };
  }
}
