// A head after "Objects as Points" (Zhou et al. 2019): no anchors, no NMS. It sums the pyramid at its finest level, where the original
// has a decoder, and predicts there. It is a DetectionHead of @caddet/core and imports no head of @caddet.
import {
  ConfigError,
  Conv,
  type DetectionHead,
  type Detections,
  type FeaturePyramid,
  type GroundTruth,
  type HeadContext,
  type HeadLoss,
  type ImageSize,
  Module,
  resizeBilinear,
  ShapeError,
  tidy,
} from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { type CenterTestOptions, decodeCenters } from "./center-decode";
import { type CenterLossWeights, centerLoss } from "./center-loss";
import type { CenterRaw } from "./center-raw";

/** What a center head is made of. */
export interface CenterSettings extends Omit<HeadContext, "random"> {
  /** Channels between the pyramid and each prediction. */
  readonly channels: number;
  readonly lossWeights: CenterLossWeights;
  readonly test: CenterTestOptions;
}

// A centre is there with probability 0.1 at the start, as in the original.
const HEAT_BIAS = Math.log(0.1 / 0.9);

/** A 3×3 convolution, ReLU, and a 1×1 one: `[B, H, W, in]` to `[B, H, W, out]`. */
class Branch extends Module {
  readonly #hidden: Conv;
  readonly #out: Conv;

  constructor({ inChannels, channels, random }: CenterSettings & HeadContext, outChannels: number, bias = 0) {
    super();
    this.#hidden = this.child("hidden", new Conv({ inChannels, outChannels: channels, kernelSize: 3, random }));
    this.#out = this.child("out", new Conv({ inChannels: channels, outChannels, bias, init: { std: 0.01 }, random }));
  }

  apply(x: tf.Tensor4D): tf.Tensor4D {
    return this.#out.apply(tf.relu(this.#hidden.apply(x)));
  }
}

/** A head that finds objects by their centres. Children: `heat`, `size`, `offset`. */
export class CenterHead extends Module implements DetectionHead<CenterRaw> {
  readonly settings: CenterSettings;
  readonly numClasses: number;
  readonly #stride: number;
  readonly #heat: Branch;
  readonly #size: Branch;
  readonly #offset: Branch;

  constructor(options: CenterSettings & HeadContext) {
    super();
    const { random: _, ...settings } = options;
    const [stride] = settings.strides;
    if (stride === undefined) throw new ConfigError("The center head needs a pyramid of at least one level, got none.");
    this.settings = settings;
    this.numClasses = settings.numClasses;
    this.#stride = stride;
    this.#heat = this.child("heat", new Branch(options, settings.numClasses, HEAT_BIAS));
    this.#size = this.child("size", new Branch(options, 2));
    this.#offset = this.child("offset", new Branch(options, 2, 0.5));
  }

  /**
   * Predicts at the finest level.
   *
   * @param features maps `[B, H_l, W_l, inChannels]`, fine to coarse; they stay the caller's
   * @returns heatmap, sizes and offsets `[B, H_0, W_0, ·]`, the caller's
   * @throws ShapeError when the pyramid has other strides or channels than the head was made for
   */
  forward({ maps, strides }: FeaturePyramid): CenterRaw {
    const { inChannels, strides: wanted } = this.settings;
    const [finest] = maps;
    if (!finest || strides.join() !== wanted.join() || maps.some(({ shape }) => shape[3] !== inChannels)) {
      throw new ShapeError(
        `The center head needs maps of ${inChannels} channels at strides [${wanted}], got ` +
          `${maps.map(({ shape }) => `[${shape}]`).join(", ")} at strides [${strides}].`,
      );
    }
    const [, height, width] = finest.shape;
    return tidy(() => {
      const coarser = maps.slice(1).map((map) => resizeBilinear(map, [height, width]));
      const joined = tf.addN([finest, ...coarser]);
      return {
        heat: this.#heat.apply(joined),
        size: this.#size.apply(joined),
        offset: this.#offset.apply(joined),
      };
    });
  }

  /** Computes the loss of raw maps: terms `heat`, `size` and `offset`. */
  loss(raw: CenterRaw, truths: readonly GroundTruth[]): HeadLoss {
    return centerLoss(raw, truths, { ...this.settings, stride: this.#stride });
  }

  /** Turns raw maps into detections, best first. */
  decode(raw: CenterRaw, sizes: readonly ImageSize[]): Promise<Detections[]> {
    return decodeCenters(raw, sizes, { ...this.settings.test, stride: this.#stride });
  }

  /** Releases what `forward` returned. */
  disposeRaw({ heat, size, offset }: CenterRaw): void {
    tf.dispose([heat, size, offset]);
  }
}
