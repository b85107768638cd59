// The interfaces through which the packages meet. No behaviour lives here, and nothing depends on a particular network:
// whoever implements one of these can swap that part of a detector.
import type { Scalar, Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core";
import type { Module } from "./module";
import type { Random } from "./random";

/** Feature maps from fine to coarse. Who receives them owns them. */
export interface FeaturePyramid {
  /** One NHWC map `[B, H_l, W_l, C]` a level. */
  readonly maps: readonly Tensor4D[];
  /** Pixels of the network's input for one cell of each level. */
  readonly strides: readonly number[];
}

/** The annotated objects of one image. */
export interface GroundTruth {
  /** `[N * 4]`, `x1, y1, x2, y2` a box, in pixels of the network's input. */
  readonly boxes: Float32Array;
  /** `[N]`, class indices from 0. */
  readonly labels: Int32Array;
  /** `[N]`, 1 where the box covers a crowd; crowds are no training targets. */
  readonly crowd: Uint8Array;
}

/** The detected objects of one image, best first. */
export interface Detections {
  /** `[N * 4]`, `x1, y1, x2, y2` a box, in pixels. */
  readonly boxes: Float32Array;
  /** `[N]` in [0, 1]. */
  readonly scores: Float32Array;
  /** `[N]`, class indices from 0. */
  readonly labels: Int32Array;
}

/** The part of a padded network input that an image fills, and how it came to that size. */
export interface ImageSize {
  /** Rows that the image fills, in pixels of the network's input. */
  readonly height: number;
  /** Columns that the image fills, in pixels of the network's input. */
  readonly width: number;
  /** Network pixels for one source pixel, across. Default 1: boxes stay in network pixels. */
  readonly scaleX?: number;
  /** Network pixels for one source pixel, down. Default 1. */
  readonly scaleY?: number;
}

/** Gates of all paths of a routing space for a batch. */
export interface RouteGates {
  /** `[B, P]` in [0, 1]: soft gates over the P existing paths, node by node, in the order up, keep, down. */
  readonly values: Tensor2D;
  /** `[P]`: the node that each path leaves. */
  readonly nodeOfPath: readonly number[];
}

/** MAdds of a routing space for one input size. */
export interface RouteCost {
  /** `[n]`: each node's block. */
  readonly node: ArrayLike<number>;
  /** `[P]`: each path. */
  readonly path: ArrayLike<number>;
}

/** What others need to know of a backbone's routing space. */
export interface RoutingInfo {
  /** `[P]`: the node that each path leaves. */
  readonly nodeOfPath: readonly number[];
  /** Gates below are closed (τ). */
  readonly threshold: number;
  /** MAdds of nodes and paths for an input in pixels, batch 1. */
  cost(height: number, width: number): RouteCost;
}

/** What a backbone makes of a batch. */
export interface BackboneOutput {
  readonly features: FeaturePyramid;
  /** Absent for a static network. */
  readonly gates?: RouteGates;
}

/** What a backbone makes of a batch when it computes only what the gates ask for. */
export interface RoutedOutput {
  readonly features: FeaturePyramid;
  /** `[B * P]`, row-major: the gates as they were decided on, closed ones 0. */
  readonly gates: Float32Array;
  /** `[B]`: MAdds of the blocks and paths that ran for each image. */
  readonly madds: Float64Array;
}

/** A network from images to feature maps. */
export interface Backbone extends Module {
  readonly strides: readonly number[];
  /** Channels of every level. */
  readonly channels: number;
  /** Absent for a static network. */
  readonly routing?: RoutingInfo;
  /**
   * Maps images `[B, H, W, 3]` to a pyramid. `training` takes batch statistics and soft gates; `checkpoint` asks for less memory and
   * more time where gradients are taken, and may be passed over.
   */
  forward(images: Tensor4D, options: { readonly training: boolean; readonly checkpoint?: boolean }): BackboneOutput;
  /** Inference that skips what the gates close; absent for a static network. */
  forwardRouted?(images: Tensor4D): Promise<RoutedOutput>;
  /** A faster form for inference alone, with the weights as they are now; who asks for it disposes it. Absent where there is none. */
  freeze?(): FrozenBackbone;
}

/** A backbone's form for inference alone. */
export interface FrozenBackbone extends Backbone {
  /** Does once, for an input of this size in pixels, what would slow down its first image. */
  warmup?(size: { readonly height: number; readonly width: number }): Promise<void>;
}

/** A network between backbone and head. */
export interface Neck extends Module {
  readonly strides: readonly number[];
  readonly channels: number;
  forward(features: FeaturePyramid, options: { readonly training: boolean }): FeaturePyramid;
}

/** A detection loss, ready to be differentiated. */
export interface HeadLoss {
  /** `[B]`: each image's share; its sum is the sum of `terms`. */
  readonly perImage: Tensor1D;
  /** Named scalars whose sum is the detection loss. */
  readonly terms: Readonly<Record<string, Scalar>>;
}

/** A detection head: raw maps, their loss, and boxes. `Raw` is the head's own business. */
export interface DetectionHead<Raw = unknown> extends Module {
  readonly numClasses: number;
  /** `checkpoint` as for {@link Backbone}. */
  forward(features: FeaturePyramid, options: { readonly training: boolean; readonly checkpoint?: boolean }): Raw;
  loss(raw: Raw, truths: readonly GroundTruth[]): HeadLoss;
  /** Boxes in network pixels, or in source pixels where `ImageSize` has scales. One asynchronous read a batch. */
  decode(raw: Raw, sizes: readonly ImageSize[]): Promise<Detections[]>;
  /** Releases what `forward` returned. */
  disposeRaw(raw: Raw): void;
}

/** What every part's configuration says: which kind of part it is for. */
export type PartConfig = { readonly type: string };

/** One kind of a detector's parts: how its configuration is checked, and how it is built from it. */
export interface PartFactory<Config extends PartConfig, Context, Part> {
  /** The name by which a configuration's `type` asks for it. */
  readonly type: string;
  /**
   * Checks a configuration and fills in its defaults.
   *
   * @param config what someone wrote, as plain data
   * @param at the dotted path at which it stands, for error texts, e.g. `model.head`; default none
   * @returns the whole configuration, which can be saved as JSON and parsed again
   * @throws ConfigError that names the key
   */
  parse(config: unknown, at?: string): Config;
  /**
   * Builds the part with fresh weights.
   *
   * @param config what `parse` returned
   * @param context what the part has to fit
   * @returns the part, the caller's
   * @throws ConfigError when no part can be made of them; no tensor is left then
   */
  build(config: Config, context: Context): Part;
  /**
   * A number of weights that `build` makes at least, found without building. A file that holds fewer is refused before memory is
   * asked for; of a part without this method, everything that its configuration asks for is built.
   */
  minWeights?(config: Config, context: Context): number;
}

/** What a backbone is built from, beside its configuration. */
export interface BackboneContext {
  /** Where the initial weights come from. */
  readonly random: Random;
}

/** What a head is built from, beside its configuration. */
export interface HeadContext {
  /** Channels of every level of the pyramid. */
  readonly inChannels: number;
  /** Pixels of the network's input for one cell of each level, fine to coarse. */
  readonly strides: readonly number[];
  readonly numClasses: number;
  /** Where the initial weights come from. */
  readonly random: Random;
}

/** What a neck is built from, beside its configuration. */
export type NeckContext = Omit<HeadContext, "numClasses">;

/** One kind of backbone. */
export type BackboneFactory<Config extends PartConfig = PartConfig> = PartFactory<Config, BackboneContext, Backbone>;

/** One kind of neck. */
export type NeckFactory<Config extends PartConfig = PartConfig> = PartFactory<Config, NeckContext, Neck>;

/** One kind of head. */
export type HeadFactory<Config extends PartConfig = PartConfig> = PartFactory<Config, HeadContext, DetectionHead>;

/** A function from features `[B, H, W, C]` to gates `[B, K]` in [0, 1]. */
export interface Router extends Module {
  /** `training` (default false) allows random gates; without it, equal features give equal gates. */
  forward(features: Tensor4D, options?: { readonly training?: boolean }): Tensor2D;
  /** MAdds of one call on a map of this size, batch 1. */
  madds(height: number, width: number): number;
}

/** What a budget mapping may look at for one image. */
export interface BudgetSample {
  /** The image's id in its data set, where it has one. A mapping that needs more of an image can look it up by this. */
  readonly imageId?: number;
  /** `[m]`, 1 where the image has an object in the scale interval. */
  readonly scaleEncoding: ArrayLike<number>;
  /** The objects, in pixels of the network's input. */
  readonly truth: GroundTruth;
  /** This image's detection loss; present when the mapping sets `usesLoss`. */
  readonly detectionLoss?: number;
}

/**
 * A mapping from images to the expected cost of each, as a fraction of the total MAdds. `[B]`. `Sample` is what it looks at: a
 * mapping that needs little of an image serves networks that are no detectors, too.
 */
export interface BudgetMapping<in Sample = BudgetSample> {
  (images: readonly Sample[]): ArrayLike<number>;
  /** Whether `BudgetSample.detectionLoss` is wanted. */
  readonly usesLoss?: boolean;
  /** What has to be saved to go on after a stop, as JSON. */
  readonly state?: () => unknown;
  /** Takes back what `state` returned. */
  readonly restore?: (state: unknown) => void;
}

/** Communication between the processes of a data-parallel run. */
export interface Collective {
  readonly rank: number;
  readonly size: number;
  /** Replaces each array on every rank by the mean over ranks. */
  allReduceMean(arrays: readonly Float32Array[]): Promise<void>;
  /** Replaces each array by rank 0's. */
  broadcast(arrays: readonly Float32Array[]): Promise<void>;
  barrier(): Promise<void>;
}

/**
 * The collective of a run with one process.
 *
 * @returns rank 0 of 1, whose operations leave the arrays as they are
 * @example const { rank } = singleProcess()
 */
export function singleProcess(): Collective {
  return {
    rank: 0,
    size: 1,
    allReduceMean: async () => {},
    broadcast: async () => {},
    barrier: async () => {},
  };
}
