// FPNLite: a feature pyramid with separable convolutions, as TensorFlow's ssd_mobilenet_v2_fpnlite builds it (fpn_top_down_feature_maps
// with use_depthwise). Levels that the network in front lacks are added above its coarsest. A network that has all of them already, as
// the supernet has C3..C7, gets a lateral for each, and as many levels come out as go in.
import {
  ConfigError,
  Conv,
  type FeaturePyramid,
  Module,
  type Neck,
  type Random,
  ShapeError,
  type Size,
} from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { SeparableConv } from "./conv-norm";
import { stridedSize } from "./plan";
import { upsampleNearest } from "./upsample-nearest";

/** What shapes an FPNLite. */
export interface FpnLiteShape {
  /** Channels of each level in front: one number where all are equally wide. */
  readonly inChannels: number | readonly number[];
  /** Pixels of the network's input for one cell of each level in front; each twice the one before. */
  readonly strides: readonly number[];
  /** Channels of every level that comes out. Default 128. */
  readonly depth?: number;
  /** Levels that come out, no fewer than go in. Default 5, or as many as go in. */
  readonly levels?: number;
}

/** Options of {@link createFpnLite}. */
export interface FpnLiteOptions extends FpnLiteShape {
  /** Where the initial weights come from. */
  readonly random: Random;
}

/** MAdds of an FPNLite, batch 1. */
export interface FpnLiteCost {
  readonly total: number;
  /** The 1 × 1 convolutions. */
  readonly laterals: number;
  /** The separable convolutions on all levels in front but the coarsest. */
  readonly smoothing: number;
  /** The separable convolutions that make the levels above. */
  readonly extra: number;
}

type ResolvedShape = Required<FpnLiteShape> & { readonly inChannels: readonly number[] };

function resolveShape({ inChannels, strides, depth = 128, levels }: FpnLiteShape): ResolvedShape {
  const shape = {
    inChannels: typeof inChannels === "number" ? strides.map(() => inChannels) : inChannels,
    strides,
    depth,
    levels: levels ?? Math.max(5, strides.length),
  };
  const areNatural = (values: readonly number[]) => values.every((v) => Number.isSafeInteger(v) && v > 0);
  const doubles = strides.every((stride, l) => l === 0 || stride === 2 * strides[l - 1]!);
  if (strides.length === 0 || !doubles || !areNatural(strides)) {
    throw new ConfigError(`FPNLite: strides should double from level to level, got [${strides}].`, { strides });
  }
  if (shape.inChannels.length !== strides.length || !areNatural([...shape.inChannels, depth])) {
    throw new ConfigError(
      `FPNLite: each of ${strides.length} levels needs a positive number of channels, got [${shape.inChannels}] and depth ${depth}.`,
    );
  }
  if (!Number.isSafeInteger(shape.levels) || shape.levels < strides.length) {
    throw new ConfigError(
      `FPNLite: levels should be at least the ${strides.length} that are in front of it, got ${shape.levels}.`,
    );
  }
  return shape;
}

/**
 * MAdds of an FPNLite, without one.
 *
 * @param shape its levels and depth
 * @param size the network's input in pixels
 * @returns MAdds of its convolutions, batch 1; bias, normalisation and upsampling are not counted
 * @throws ConfigError or ShapeError when shape or size are impossible
 * @example fpnLiteCost({ inChannels: 256, strides: [8, 16, 32, 64, 128] }, { height: 640, width: 800 }).total // 536e6
 */
export function fpnLiteCost(shape: FpnLiteShape, size: Size): FpnLiteCost {
  const { inChannels, strides, depth, levels } = resolveShape(shape);
  const cellsAt = (stride: number) => {
    const { height, width } = stridedSize(size, stride);
    return height * width;
  };
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const separable = 9 * depth + depth * depth;
  const top = strides.length - 1;
  const laterals = sum(strides.map((stride, l) => cellsAt(stride) * inChannels[l]! * depth));
  const smoothing = sum(strides.slice(0, top).map((stride) => cellsAt(stride) * separable));
  const above = Array.from({ length: levels - strides.length }, (_, i) => strides[top]! * 2 ** (i + 1));
  const extra = sum(above.map((stride) => cellsAt(stride) * separable));
  return { total: laterals + smoothing + extra, laterals, smoothing, extra };
}

/** An FPNLite. Children: `lateral.L` with bias, `smooth.L` and `extra.L` with BN and ReLU6. */
export class FpnLite extends Module implements Neck {
  readonly strides: readonly number[];
  readonly channels: number;
  readonly #shape: ResolvedShape;
  readonly #laterals: readonly Conv[];
  readonly #smooth: readonly SeparableConv[];
  readonly #extra: readonly SeparableConv[];

  constructor({ random, ...given }: FpnLiteOptions) {
    super();
    const shape = resolveShape(given);
    const { inChannels, strides, depth, levels } = shape;
    const separable = (name: string, count: number, stride: number) =>
      Array.from({ length: count }, (_, i) => this.child(`${name}.${i}`, new SeparableConv(depth, stride, random)));
    this.#shape = shape;
    this.#laterals = inChannels.map((channels, l) =>
      this.child(`lateral.${l}`, new Conv({ inChannels: channels, outChannels: depth, random })),
    );
    this.#smooth = separable("smooth", strides.length - 1, 1);
    this.#extra = separable("extra", levels - strides.length, 2);
    this.strides = Array.from({ length: levels }, (_, l) => strides[0]! * 2 ** l);
    this.channels = depth;
  }

  /**
   * Mixes the levels from coarse to fine and adds those above.
   *
   * @param features one map `[B, H_l, W_l, C_l]` a level, each half the one before, rounded up; they stay the caller's
   * @param options `training` takes batch statistics
   * @returns one map `[B, H_l, W_l, depth]` a level
   * @throws ShapeError when levels, channels or sizes are others
   * @example neck.forward(features, { training: false }).maps
   */
  forward({ maps }: FeaturePyramid, { training }: { readonly training: boolean }): FeaturePyramid {
    const { inChannels } = this.#shape;
    if (maps.map(({ shape }) => shape[3]).join() !== inChannels.join()) {
      throw new ShapeError(
        `FPNLite takes ${inChannels.length} levels of [${inChannels}] channels, got maps ${maps.map(({ shape }) => `[${shape}]`).join(", ")}.`,
      );
    }
    return { maps: tf.tidy(() => this.#mix(maps, training)), strides: this.strides };
  }

  /** MAdds for an input of the network in pixels, batch 1. */
  cost(size: Size): FpnLiteCost {
    return fpnLiteCost(this.#shape, size);
  }

  #mix(maps: readonly tf.Tensor4D[], training: boolean): tf.Tensor4D[] {
    const laterals = maps.map((map, l) => this.#laterals[l]!.apply(map));
    const top = laterals.at(-1)!;
    const out = [top];
    let above = top;
    for (let l = laterals.length - 2; l >= 0; l--) {
      const lateral = laterals[l]!;
      const [, height, width] = lateral.shape;
      above = tf.add(lateral, upsampleNearest(above, [height, width]));
      out.unshift(this.#smooth[l]!.apply(above, training));
    }
    for (const layer of this.#extra) out.push(layer.apply(out.at(-1)!, training));
    return out;
  }
}

/**
 * Makes an FPNLite with fresh weights.
 *
 * @param options the levels in front, depth and number of levels
 * @returns the neck; `dispose()` it when done
 * @throws ConfigError on options that no neck can be made of
 * @example createFpnLite({ inChannels: supernet.channels, strides: supernet.strides, random: createRandom(0) })
 */
export function createFpnLite(options: FpnLiteOptions): FpnLite {
  return new FpnLite(options);
}
