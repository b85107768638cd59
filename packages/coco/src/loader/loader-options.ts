// What a loader can be told, its defaults, and the checks on it.
import {
  ConfigError,
  IMAGENET_NORMALISATION,
  type Normalisation,
  normalisationTable,
  paddedSize,
  type TargetSize,
} from "@caddet/core/base";
import type { ImageFault } from "../images/image-file";
import type { Transform } from "../transforms/sample";
import { assertSizes, type SizeMode } from "../transforms/transform-resize";
import type { EpochPlanOptions } from "./epoch-plan";

/** What a bad image file does: another image takes its place, the batch gets shorter, or the epoch ends with an error. */
export type BadImagePolicy = "refill" | "omit" | "error";

/** An image that was left out. */
export interface SkippedImage {
  readonly file: string;
  readonly imageId: number;
  readonly reason: ImageFault;
  readonly message: string;
}

/** Options of `createLoader`. */
export interface LoaderOptions {
  /** Images of a batch. */
  readonly batchSize: number;
  /** Bounds of the shorter and the longer side, pixels; of several, one is drawn for each image or batch. */
  readonly size: TargetSize | readonly TargetSize[];
  /** Whether one of `size` is drawn, or bounds between two of them. Default "value". */
  readonly sizeMode?: SizeMode;
  /** Whether each image gets a size of its own, or all of a batch the same, which saves padding. Default "image". */
  readonly sizeFor?: "image" | "batch";
  /** Both sides of a batch are multiples of this. Default 32; 64 where the network halves one level more. */
  readonly padTo?: number;
  /** Probability of mirroring an image. Default 0. */
  readonly flip?: number;
  /** Augmentation of each image in its own pixels; resizing, mirroring, normalising and padding follow. Default none. */
  readonly transforms?: readonly Transform[];
  /** Default ImageNet's. */
  readonly normalise?: Normalisation;
  /** Decides the order and what is drawn for each image, together with the epoch. Default 0. */
  readonly seed?: number;
  /** Default false. */
  readonly shuffle?: boolean;
  /** Whether wide and high images stay apart, which saves padding. Default false. */
  readonly groupByAspect?: boolean;
  /** Whether batches that are not full are left out. Default false. */
  readonly dropLast?: boolean;
  /** Batches in work ahead of the consumer. Default 2. */
  readonly prefetch?: number;
  /** This process among `worldSize`. Default 0. */
  readonly rank?: number;
  /** Processes that share an epoch. Default 1. */
  readonly worldSize?: number;
  /** Default "refill" with `shuffle`, else "omit", which repeats no image. */
  readonly badImages?: BadImagePolicy;
  /** Called once for each image that was left out. */
  readonly onSkip?: (skipped: SkippedImage) => void;
}

/** Options with their defaults. */
export interface ResolvedLoaderOptions extends EpochPlanOptions {
  readonly sizes: readonly TargetSize[];
  readonly sizeMode: SizeMode;
  readonly sizeFor: "image" | "batch";
  readonly transforms: readonly Transform[];
  readonly padTo: number;
  readonly normalise: Normalisation;
  readonly prefetch: number;
  readonly badImages: BadImagePolicy;
  readonly onSkip: (skipped: SkippedImage) => void;
}

function requireInteger(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new ConfigError(`${name} must be an integer from ${least}, got ${value}.`, { option: name });
  }
}

/** Completes and checks options; throws ConfigError at the first wrong one. */
export function resolveLoaderOptions({
  batchSize,
  size,
  sizeMode = "value",
  sizeFor = "image",
  transforms = [],
  padTo = 32,
  flip = 0,
  normalise = IMAGENET_NORMALISATION,
  seed = 0,
  shuffle = false,
  groupByAspect = false,
  dropLast = false,
  prefetch = 2,
  rank = 0,
  worldSize = 1,
  badImages = shuffle ? "refill" : "omit",
  onSkip = () => {},
}: LoaderOptions): ResolvedLoaderOptions {
  requireInteger("batchSize", batchSize, 1);
  requireInteger("prefetch", prefetch, 1);
  requireInteger("worldSize", worldSize, 1);
  requireInteger("rank", rank, 0);
  requireInteger("seed", seed, Number.MIN_SAFE_INTEGER);
  if (rank >= worldSize) throw new ConfigError(`rank must be less than worldSize ${worldSize}, got ${rank}.`);
  if (!(flip >= 0 && flip <= 1)) throw new ConfigError(`flip is a probability from 0 to 1, got ${flip}.`);
  const sizes = "shorter" in size ? [size] : size;
  assertSizes(sizes, sizeMode);
  paddedSize({ height: 1, width: 1 }, padTo);
  normalisationTable(normalise);
  return {
    batchSize,
    sizes,
    sizeMode,
    sizeFor,
    transforms,
    padTo,
    flip,
    normalise,
    seed,
    shuffle,
    groupByAspect,
    dropLast,
    prefetch,
    rank,
    worldSize,
    badImages,
    onSkip,
  };
}
