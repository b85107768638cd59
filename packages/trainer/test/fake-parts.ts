// A backbone and a head whose numbers can be worked out by hand.
import { type Backbone, type DetectionHead, type Detections, type FeaturePyramid, Module } from "@caddet/core";
import { composeDetector, type Detector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";

/** Node 0 has two paths, node 1 has one. */
const NODE_OF_PATH = [0, 0, 1];
/** C_tot is 36. */
const COST = { node: [10, 20], path: [1, 2, 3] };

/** The mean of each image, as a map of one cell. With gates it plays a routed network, without a static one. */
export class FakeBackbone extends Module implements Backbone {
  readonly strides = [8];
  readonly channels = 1;
  readonly routing?: Backbone["routing"];
  readonly #gates: tf.Variable<tf.Rank.R2> | undefined;

  constructor(gates?: readonly (readonly number[])[]) {
    super();
    if (!gates) return;
    this.#gates = this.parameter("gates", tf.tensor2d(gates.map((g) => [...g])), "weight");
    this.routing = { nodeOfPath: NODE_OF_PATH, threshold: 0.1, cost: () => COST };
  }

  forward(images: tf.Tensor4D): ReturnType<Backbone["forward"]> {
    const maps = [tf.mean(images, [1, 2, 3], true) as tf.Tensor4D];
    const features: FeaturePyramid = { maps, strides: this.strides };
    return this.#gates
      ? { features, gates: { values: tf.clone(this.#gates), nodeOfPath: NODE_OF_PATH } }
      : { features };
  }
}

/** An image's loss is its mean times a weight; a quarter of it is called `near`, the rest `far`. */
export class FakeHead extends Module implements DetectionHead<tf.Tensor4D> {
  readonly numClasses = 2;
  readonly weight = this.parameter("weight", tf.scalar(4), "weight");
  readonly #detections: readonly Detections[];

  constructor(detections: readonly Detections[] = []) {
    super();
    this.#detections = detections;
  }

  forward({ maps }: FeaturePyramid): tf.Tensor4D {
    return tf.mul(maps[0]!, this.weight);
  }

  loss(raw: tf.Tensor4D): ReturnType<DetectionHead["loss"]> {
    const perImage = tf.reshape(raw, [-1]) as tf.Tensor1D;
    const sum = tf.sum(perImage);
    return { perImage, terms: { near: tf.mul(sum, 0.25), far: tf.mul(sum, 0.75) } };
  }

  async decode(raw: tf.Tensor4D): Promise<Detections[]> {
    return this.#detections.slice(0, raw.shape[0]);
  }

  disposeRaw(raw: tf.Tensor4D): void {
    raw.dispose();
  }
}

/** Both as a detector. */
export function fakeDetector(gates?: readonly (readonly number[])[]): Detector {
  return composeDetector({ backbone: new FakeBackbone(gates), head: new FakeHead() }) as Detector;
}
