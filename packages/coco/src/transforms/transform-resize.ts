// Bilinear resizing of a sample by mmdetection 2.1's rule: one size, or one drawn for each image ("value" and "range"
// of its Resize). Pixel centres are at halves, as OpenCV has it; shrinking does not blur first. The loader's own
// resize is sharp's.
import { ConfigError, type Random, resizedSize, type Size, type TargetSize } from "@caddet/core/base";
import { scaledMap } from "./box-map";
import { scaleBoxes } from "./boxes";
import { clipTruth, type Sample, type Transform } from "./sample";

interface Steps {
  /** The left or upper neighbour. */
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** Weight of the second, 0..1. */
  readonly weight: Float64Array;
}

function sampleSteps(from: number, to: number): Steps {
  const first = new Int32Array(to);
  const second = new Int32Array(to);
  const weight = new Float64Array(to);
  for (let i = 0; i < to; i++) {
    const at = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    first[i] = Math.floor(at);
    second[i] = Math.min(first[i]! + 1, from - 1);
    weight[i] = at - first[i]!;
  }
  return { first, second, weight };
}

/** Pixels `[height * width * 3]` brought to another size; bytes stay bytes, rounded. */
export function resizePixels<Pixels extends Uint8Array | Float32Array>(rgb: Pixels, from: Size, to: Size): Pixels {
  const out = (
    rgb instanceof Uint8Array ? new Uint8Array(to.height * to.width * 3) : new Float32Array(to.height * to.width * 3)
  ) as Pixels;
  const rounding = rgb instanceof Uint8Array ? 0.5 : 0;
  const across = sampleSteps(from.width, to.width);
  const down = sampleSteps(from.height, to.height);
  const row = new Float64Array(from.width * 3);
  let p = 0;
  for (let y = 0; y < to.height; y++) {
    const upper = down.first[y]! * row.length;
    const lower = down.second[y]! * row.length;
    const wy = down.weight[y]!;
    for (let i = 0; i < row.length; i++) row[i] = rgb[upper + i]! * (1 - wy) + rgb[lower + i]! * wy;
    for (let x = 0; x < to.width; x++) {
      const left = across.first[x]! * 3;
      const right = across.second[x]! * 3;
      const wx = across.weight[x]!;
      for (let c = 0; c < 3; c++) out[p++] = row[left + c]! * (1 - wx) + row[right + c]! * wx + rounding;
    }
  }
  return out;
}

/** A sample fitted into a target. */
export function resizeSample(sample: Sample, target: TargetSize): Sample {
  const { height, width, scaleX, scaleY } = resizedSize(sample.size, target);
  const size = { height, width };
  const same = height === sample.size.height && width === sample.size.width;
  return {
    ...sample,
    size,
    rgb: same ? sample.rgb : resizePixels(sample.rgb, sample.size, size),
    truth: clipTruth({ ...sample.truth, boxes: scaleBoxes(sample.truth.boxes, { scaleX, scaleY }) }, size),
    map: scaledMap(sample.map, scaleX, scaleY),
  };
}

/**
 * Fits images into a frame, aspect ratio kept.
 *
 * @param target bounds of the shorter and the longer side, pixels
 * @returns a transform that draws nothing
 * @throws ConfigError when a bound is not positive or `shorter > longer`
 * @example resizeImage({ shorter: 600, longer: 1000 })
 */
export function resizeImage(target: TargetSize): Transform {
  resizedSize({ height: 1, width: 1 }, target);
  return (sample) => resizeSample(sample, target);
}

/** How a size is drawn: one of those given, or both bounds as integers between those of two. */
export type SizeMode = "value" | "range";

/** Throws ConfigError unless sizes can be drawn from. */
export function assertSizes(sizes: readonly TargetSize[], mode: SizeMode): void {
  if (sizes.length === 0) throw new ConfigError("At least one size is needed, got none.");
  if (mode === "range" && sizes.length !== 2) {
    throw new ConfigError(`A range lies between two sizes, got ${sizes.length}. Give two, or the mode "value".`);
  }
  for (const size of sizes) resizedSize({ height: 1, width: 1 }, size);
  if (mode === "range") {
    const shorter = Math.max(...sizes.map((s) => s.shorter));
    const longer = Math.min(...sizes.map((s) => s.longer));
    const whole = sizes.every((s) => Number.isInteger(s.shorter) && Number.isInteger(s.longer));
    if (!whole || shorter > longer) {
      throw new ConfigError(
        `A range of sizes needs integers, and each shorter side at most each longer one, got shorter ${shorter} beside longer ${longer}.`,
      );
    }
  }
}

/** Draws one size; nothing is drawn where there is one. */
export function drawSize(sizes: readonly TargetSize[], mode: SizeMode, random: Random): TargetSize {
  if (sizes.length === 1) return sizes[0]!;
  if (mode === "value") return sizes[random.int(sizes.length)]!;
  const between = (key: "shorter" | "longer") => {
    const [a, b] = [sizes[0]![key], sizes[1]![key]];
    return Math.min(a, b) + random.int(Math.abs(a - b) + 1);
  };
  const longer = between("longer");
  return { shorter: between("shorter"), longer };
}

/**
 * Fits each image into a frame that is drawn for it.
 *
 * @param sizes for "value" any number, each as likely; for "range" two, between which both bounds are drawn
 * @param mode default "value"
 * @returns a transform
 * @throws ConfigError when a size is wrong, or a range is not between two
 * @example multiScale([{ shorter: 640, longer: 1333 }, { shorter: 800, longer: 1333 }], "range")
 */
export function multiScale(sizes: readonly TargetSize[], mode: SizeMode = "value"): Transform {
  assertSizes(sizes, mode);
  return (sample, random) => resizeSample(sample, drawSize(sizes, mode, random));
}
