// The FCOS head (Tian et al. 2019): two towers (or one) shared by all levels, and on them class logits, distances to a box's four sides and
// centerness. Losses are in fcos-loss.ts, boxes in fcos-decode.ts.
import {
  Conv,
  type DetectionHead,
  type Detections,
  type FeaturePyramid,
  type GroundTruth,
  type HeadLoss,
  type ImageSize,
  Module,
  type Random,
} from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { decodeFcos } from "./fcos-decode";
import { fcosLoss } from "./fcos-loss";
import { type FcosHeadOptions, type FcosSettings, resolveFcosOptions } from "./fcos-options";
import type { FcosRaw } from "./fcos-raw";
import { CLASS_BIAS, checkPyramid } from "./head-settings";
import { Tower, type TowerApplyOptions } from "./tower";

/** A learnt factor on one level's distances. Parameter: `value []`. */
class Scale extends Module {
  readonly value = this.parameter("value", tf.scalar(1), "weight");

  /** Multiplies x by the factor. */
  apply(x: tf.Tensor4D): tf.Tensor4D {
    return tf.mul(x, this.value);
  }
}

/** One factor a level. Children: `0`, `1`, … */
class Scales extends Module {
  readonly #scales: readonly Scale[];

  constructor(levels: number) {
    super();
    this.#scales = Array.from({ length: levels }, (_, l) => this.child(String(l), new Scale()));
  }

  /** Multiplies a level's map by its factor. */
  apply(x: tf.Tensor4D, level: number): tf.Tensor4D {
    return this.#scales[level]!.apply(x);
  }
}

/** An FCOS head. Children: `classTower`, `boxTower` (or the one `tower`), `classes`, `distances`, `centerness`, `scales`. */
export class FcosHead extends Module implements DetectionHead<FcosRaw> {
  readonly settings: FcosSettings;
  readonly #classTower: Tower;
  readonly #boxTower: Tower;
  readonly #classes: Conv;
  readonly #distances: Conv;
  readonly #centerness: Conv;
  readonly #scales: Scales;

  constructor(settings: FcosSettings, random: Random) {
    super();
    const { inChannels, channels, stackedConvs, numClasses, strides } = settings;
    const predictor = (outChannels: number, bias = 0) =>
      new Conv({
        inChannels: stackedConvs === 0 ? inChannels : channels,
        outChannels,
        kernelSize: 3,
        bias,
        init: { std: 0.01 },
        random,
      });
    this.settings = settings;
    const tower = (name: string) => this.child(name, new Tower(settings, random));
    this.#classTower = tower(settings.sharedTowers ? "tower" : "classTower");
    this.#boxTower = settings.sharedTowers ? this.#classTower : tower("boxTower");
    this.#classes = this.child("classes", predictor(numClasses, CLASS_BIAS));
    this.#distances = this.child("distances", predictor(4));
    this.#centerness = this.child("centerness", predictor(1));
    this.#scales = this.child("scales", new Scales(strides.length));
  }

  get numClasses(): number {
    return this.settings.numClasses;
  }

  /**
   * Predicts on a pyramid.
   *
   * @param features one map `[B, H_l, W_l, inChannels]` a level; they stay the caller's
   * @param options `training` takes batch statistics and, with `normOnBbox`, leaves distances in strides; `checkpoint` (default false)
   *   runs each tower again for its gradients instead of keeping its maps
   * @returns the raw maps; release them with `disposeRaw`
   * @throws ShapeError when levels or channels do not match the head
   */
  forward(features: FeaturePyramid, { training, checkpoint = false }: TowerApplyOptions): FcosRaw {
    const { strides, normOnBbox, centernessOnReg, sharedTowers } = this.settings;
    const { maps } = features;
    checkPyramid(features, this.settings);
    const unit = normOnBbox && training ? "stride" : "pixel";
    return tf.tidy(() => {
      const levels = maps.map((map, l) => {
        const forClass = this.#classTower.apply(map, { training, checkpoint });
        const forBox = sharedTowers ? forClass : this.#boxTower.apply(map, { training, checkpoint });
        const scaled = this.#scales.apply(this.#distances.apply(forBox), l);
        const strided = () => (training ? tf.relu(scaled) : tf.mul(tf.relu(scaled), strides[l]!));
        return {
          classes: this.#classes.apply(forClass),
          distances: (normOnBbox ? strided() : tf.exp(scaled)) as tf.Tensor4D,
          centerness: this.#centerness.apply(centernessOnReg ? forBox : forClass),
        };
      });
      return {
        classes: levels.map(({ classes }) => classes),
        distances: levels.map(({ distances }) => distances),
        centerness: levels.map(({ centerness }) => centerness),
        unit,
      };
    }) as FcosRaw;
  }

  /**
   * Computes the loss of raw maps.
   *
   * @param raw what `forward` returned
   * @param truths the objects of each image, in pixels of the network's input
   * @returns each image's share `[B]`, and the terms `classification`, `box` and `centerness`; NaN where a prediction is NaN
   * @throws ShapeError or DatasetError when maps or objects cannot be used
   */
  loss(raw: FcosRaw, truths: readonly GroundTruth[]): HeadLoss {
    return fcosLoss(raw, truths, this.settings);
  }

  /**
   * Turns raw maps into detections, with one asynchronous read.
   *
   * @param raw what `forward` returned
   * @param sizes the part of the network's input that each image fills, and its scale
   * @returns for each image the detections, best first
   * @throws ShapeError when maps or sizes do not match
   */
  decode(raw: FcosRaw, sizes: readonly ImageSize[]): Promise<Detections[]> {
    return decodeFcos(raw, sizes, this.settings);
  }

  /** Releases what `forward` returned. */
  disposeRaw({ classes, distances, centerness }: FcosRaw): void {
    tf.dispose([...classes, ...distances, ...centerness]);
  }
}

/**
 * Makes an FCOS head with fresh weights: normal of standard deviation 0.01, class probability 0.01.
 *
 * @param options channels, classes, strides, losses and test settings
 * @returns the head; `dispose()` it when done
 * @throws ConfigError on options that no head can be made of
 * @example createFcosHead({ inChannels: 256, numClasses: 80, random: createRandom(0) })
 */
export function createFcosHead(options: FcosHeadOptions): FcosHead {
  return new FcosHead(resolveFcosOptions(options), options.random);
}
