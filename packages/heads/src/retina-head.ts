// The RetinaNet head (Lin et al. 2017): two towers (or one) shared by all levels, and on them class logits and shifts of a cell's anchors.
// Losses are in retina-loss.ts, boxes in retina-decode.ts.
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
import { CLASS_BIAS, checkPyramid } from "./head-settings";
import { decodeRetina } from "./retina-decode";
import { retinaLoss } from "./retina-loss";
import { anchorsPerCell, type RetinaHeadOptions, type RetinaSettings, resolveRetinaOptions } from "./retina-options";
import type { RetinaRaw } from "./retina-raw";
import { Tower, type TowerApplyOptions } from "./tower";

/** A RetinaNet head. Children: `classTower`, `boxTower` (or the one `tower`), `classes`, `deltas`. */
export class RetinaHead extends Module implements DetectionHead<RetinaRaw> {
  readonly settings: RetinaSettings;
  readonly #classTower: Tower;
  readonly #boxTower: Tower;
  readonly #classes: Conv;
  readonly #deltas: Conv;

  constructor(settings: RetinaSettings, random: Random) {
    super();
    const { inChannels, channels, stackedConvs, numClasses } = settings;
    const anchors = anchorsPerCell(settings);
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
    this.#classes = this.child("classes", predictor(anchors * numClasses, CLASS_BIAS));
    this.#deltas = this.child("deltas", predictor(anchors * 4));
  }

  get numClasses(): number {
    return this.settings.numClasses;
  }

  /**
   * Predicts on a pyramid.
   *
   * @param features one map `[B, H_l, W_l, inChannels]` a level; they stay the caller's
   * @param options `training` takes batch statistics; `checkpoint` (default false) runs each tower again for its gradients instead of
   *   keeping its maps
   * @returns the raw maps; release them with `disposeRaw`
   * @throws ShapeError when levels, strides or channels do not match the head
   */
  forward(features: FeaturePyramid, { training, checkpoint = false }: TowerApplyOptions): RetinaRaw {
    checkPyramid(features, this.settings);
    return tf.tidy(() => {
      const levels = features.maps.map((map) => {
        const forClass = this.#classTower.apply(map, { training, checkpoint });
        const forBox = this.settings.sharedTowers ? forClass : this.#boxTower.apply(map, { training, checkpoint });
        return { classes: this.#classes.apply(forClass), deltas: this.#deltas.apply(forBox) };
      });
      return { classes: levels.map(({ classes }) => classes), deltas: levels.map(({ deltas }) => deltas) };
    });
  }

  /**
   * Computes the loss of raw maps.
   *
   * @param raw what `forward` returned
   * @param truths the objects of each image, in pixels of the network's input
   * @param padded the part of the network's input that each image fills, its own padding included; anchors of cells outside take no
   *   part. Default: all of it.
   * @returns each image's share `[B]`, and the terms `classification` and `box`; NaN where a prediction is NaN
   * @throws ShapeError or DatasetError when maps or objects cannot be used
   */
  loss(raw: RetinaRaw, truths: readonly GroundTruth[], padded?: readonly ImageSize[]): HeadLoss {
    return retinaLoss(raw, truths, this.settings, padded);
  }

  /**
   * Turns raw maps into detections, with one asynchronous read.
   *
   * @param raw what `forward` returned
   * @param sizes the part of the network's input that each image fills, and its scale
   * @returns for each image the detections, best first
   * @throws ShapeError when maps or sizes do not match
   */
  decode(raw: RetinaRaw, sizes: readonly ImageSize[]): Promise<Detections[]> {
    return decodeRetina(raw, sizes, this.settings);
  }

  /** Releases what `forward` returned. */
  disposeRaw({ classes, deltas }: RetinaRaw): void {
    tf.dispose([...classes, ...deltas]);
  }
}

/**
 * Makes a RetinaNet head with fresh weights: normal of standard deviation 0.01, class probability 0.01.
 *
 * @param options channels, classes, strides, anchors and test settings
 * @returns the head; `dispose()` it when done
 * @throws ConfigError on options that no head can be made of
 * @example createRetinaHead({ inChannels: 256, numClasses: 80, random: createRandom(0) })
 */
export function createRetinaHead(options: RetinaHeadOptions): RetinaHead {
  return new RetinaHead(resolveRetinaOptions(options), options.random);
}
