// A MobileNet and its FPNLite as one static backbone: images in, levels of one width out. Nothing is routed, so every image costs the
// same. Which MobileNet it is, its plan says.
import { type Backbone, type BackboneOutput, Module, type Random, ShapeError, type Size, tidy } from "@caddet/core";
import type { Tensor4D } from "@tensorflow/tfjs-core";
import { FpnLite, type FpnLiteCost, fpnLiteCost } from "./fpn-lite";
import { planMobileNetV1 } from "./mobilenet-v1";
import { planMobileNetV2 } from "./mobilenet-v2";
import { type LayerPlan, type MobileNetTail, planMadds, planTaps } from "./plan";
import { Trunk } from "./trunk";

/** What shapes a MobileNet backbone. */
export interface MobileNetShape {
  /** Factor on the MobileNet's channels, which are rounded to multiples of 8. Default 1. */
  readonly width?: number;
  /**
   * "imagenet" (default) is the network that ImageNet weights are for; "short" is how TensorFlow's detectors with separable FPNs end
   * it: 512 and 256 channels in MobileNetV1, 256 in MobileNetV2.
   */
  readonly tail?: MobileNetTail;
  readonly neck?: {
    /** Channels of every level. Default 128. */
    readonly depth?: number;
    /** Levels from stride 8 on, at least 3. Default 5. */
    readonly levels?: number;
  };
}

/** Options of {@link createMobileNetV1} and {@link createMobileNetV2}. */
export interface MobileNetOptions extends MobileNetShape {
  /** Where the initial weights come from. */
  readonly random: Random;
}

/** MAdds of a MobileNet backbone, batch 1. */
export interface MobileNetCost {
  readonly total: number;
  /** The MobileNet up to C5, without classifier. */
  readonly trunk: number;
  readonly neck: FpnLiteCost;
  /** Each layer of the trunk, the first convolution included. */
  readonly layers: readonly number[];
}

/**
 * MAdds of a plan with an FPNLite, without building either.
 *
 * @param plan the MobileNet
 * @param neck the FPNLite's depth and levels
 * @param size the network's input in pixels
 * @returns MAdds of all convolutions, batch 1; bias, normalisation and activations are not counted
 * @throws ShapeError when a side is not a positive integer
 */
export function planCost(plan: readonly LayerPlan[], neck: MobileNetShape["neck"], size: Size): MobileNetCost {
  const layers = planMadds(plan, size);
  const trunk = layers.reduce((a, b) => a + b, 0);
  const { channels, strides } = planTaps(plan);
  const through = fpnLiteCost({ ...neck, inChannels: channels, strides }, size);
  return { total: trunk + through.total, trunk, neck: through, layers };
}

/** A MobileNet with FPNLite. Children: `trunk`, by layer and convolution, and `neck`. */
export class MobileNetBackbone extends Module implements Backbone {
  readonly strides: readonly number[];
  readonly channels: number;
  readonly neck: FpnLite;
  readonly #plan: readonly LayerPlan[];
  readonly #neckShape: MobileNetShape["neck"];
  readonly #tapStrides: readonly number[];
  readonly #trunk: Trunk;

  constructor(plan: readonly LayerPlan[], neck: MobileNetShape["neck"], random: Random) {
    super();
    const { channels, strides } = planTaps(plan);
    // The neck may refuse its options, and does so before there are tensors.
    this.neck = this.child("neck", new FpnLite({ ...neck, inChannels: channels, strides, random }));
    this.#trunk = this.child("trunk", new Trunk(plan, random));
    this.#plan = plan;
    this.#neckShape = neck;
    this.#tapStrides = strides;
    this.strides = this.neck.strides;
    this.channels = this.neck.channels;
  }

  /**
   * Maps images to levels.
   *
   * @param images `[B, H, W, 3]`, any size
   * @param options `training` takes batch statistics and moves the running ones
   * @returns P3 and up: maps `[B, ceil(H / stride), ceil(W / stride), channels]`, the caller's
   * @throws ShapeError when the images have another shape
   * @example backbone.forward(images, { training: false }).features.maps
   */
  forward(images: Tensor4D, options: { readonly training: boolean }): BackboneOutput {
    return tidy(() => {
      const features = { maps: this.taps(images, options), strides: this.#tapStrides };
      return { features: this.neck.forward(features, options) };
    });
  }

  /**
   * The MobileNet's own maps, which the neck takes.
   *
   * @param images `[B, H, W, 3]`
   * @param options `training` takes batch statistics and moves the running ones
   * @returns C3, C4 and C5, each as wide as its layer; the caller's
   * @throws ShapeError when the images have another shape
   */
  taps(images: Tensor4D, { training }: { readonly training: boolean }): Tensor4D[] {
    if (images.rank !== 4 || images.shape[3] !== 3) {
      throw new ShapeError(`MobileNet takes images [B, H, W, 3], got [${images.shape}].`, { shape: images.shape });
    }
    return tidy(() => this.#trunk.apply(images, training));
  }

  /** MAdds for an input in pixels, batch 1. */
  cost(size: Size): MobileNetCost {
    return planCost(this.#plan, this.#neckShape, size);
  }
}

/**
 * Makes a MobileNetV1 with FPNLite, with fresh weights.
 *
 * @param options width, tail, neck and a seeded generator
 * @returns the backbone; `dispose()` it when done
 * @throws ConfigError on a neck that cannot be made
 * @example createMobileNetV1({ width: 0.25, random: createRandom(0) })
 */
export function createMobileNetV1({ width = 1, tail = "imagenet", neck, random }: MobileNetOptions): MobileNetBackbone {
  return new MobileNetBackbone(planMobileNetV1(width, tail), neck, random);
}

/**
 * Makes a MobileNetV2 with FPNLite, with fresh weights.
 *
 * @param options width, tail, neck and a seeded generator
 * @returns the backbone; `dispose()` it when done
 * @throws ConfigError on a neck that cannot be made
 * @example createMobileNetV2({ random: createRandom(0) }).cost({ height: 800, width: 1200 }).total // 6.35e9
 */
export function createMobileNetV2({ width = 1, tail = "imagenet", neck, random }: MobileNetOptions): MobileNetBackbone {
  return new MobileNetBackbone(planMobileNetV2(width, tail), neck, random);
}
