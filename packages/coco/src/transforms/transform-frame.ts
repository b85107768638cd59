// What moves no object against its image, or all of them as one: mirroring, padding at the right and the bottom,
// cutting out. Pure functions on samples, after mmdetection 2.1's RandomFlip and Pad.
import { ConfigError, paddedSize } from "@caddet/core/base";
import { mirroredMap, movedMap } from "./box-map";
import { flipBoxes } from "./boxes";
import { clipTruth, type Sample, type Transform } from "./sample";

/** Throws ConfigError unless a number is a probability. */
export function assertProbability(name: string, value: number): void {
  if (!(value >= 0 && value <= 1)) throw new ConfigError(`${name} is a probability from 0 to 1, got ${value}.`);
}

/** New values of the kind that an image has. */
export function emptyPixels(rgb: Sample["rgb"], pixels: number): Sample["rgb"] {
  return rgb instanceof Uint8Array ? new Uint8Array(pixels * 3) : new Float32Array(pixels * 3);
}

/** The sample mirrored left to right. */
export function mirrorSample(sample: Sample): Sample {
  const { rgb, size, truth, map } = sample;
  const { height, width } = size;
  const out = emptyPixels(rgb, height * width);
  for (let y = 0; y < height; y++) {
    let to = (y + 1) * width * 3 - 3;
    for (let from = y * width * 3; from < (y + 1) * width * 3; from += 3, to -= 3) {
      out[to] = rgb[from]!;
      out[to + 1] = rgb[from + 1]!;
      out[to + 2] = rgb[from + 2]!;
    }
  }
  return {
    ...sample,
    rgb: out,
    truth: { ...truth, boxes: flipBoxes(truth.boxes, width) },
    map: mirroredMap(map, size),
  };
}

/**
 * Mirrors images left to right.
 *
 * @param probability 0..1, default 0.5
 * @returns a transform
 * @throws ConfigError when the probability is none
 * @example randomFlip(0.5)
 */
export function randomFlip(probability = 0.5): Transform {
  assertProbability("The probability of mirroring", probability);
  return (sample, random) => (random.next() < probability ? mirrorSample(sample) : sample);
}

/**
 * Pads images at the right and the bottom; boxes stay.
 *
 * @param multiple both sides become multiples of this, pixels
 * @param value of the padding, default 0
 * @returns a transform that draws nothing
 * @throws ConfigError when `multiple` is not a positive integer
 * @example padImage(32)
 */
export function padImage(multiple: number, value = 0): Transform {
  paddedSize({ height: 1, width: 1 }, multiple);
  if (!Number.isFinite(value)) throw new ConfigError(`Padding needs a finite value, got ${value}.`);
  return (sample) => {
    const { height, width } = sample.size;
    const size = paddedSize(sample.size, multiple);
    const out = emptyPixels(sample.rgb, size.height * size.width).fill(value);
    for (let y = 0; y < height; y++) {
      out.set(sample.rgb.subarray(y * width * 3, (y + 1) * width * 3), y * size.width * 3);
    }
    return { ...sample, rgb: out, size };
  };
}

/** A window in pixels; `left` and `top` are integers. */
export interface CropWindow {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Cuts a window out; what lies outside is lost, boxes are cut at its border and left out where nothing remains.
 *
 * @param sample the image
 * @param window within it, integers, pixels
 * @returns a new sample
 * @throws ConfigError when the window does not lie within the image
 * @example cropSample(sample, { left: 10, top: 0, width: 100, height: 80 })
 */
export function cropSample(sample: Sample, { left, top, width, height }: CropWindow): Sample {
  const { rgb, size, truth, map } = sample;
  const whole = [left, top, width, height].every(Number.isInteger);
  const within =
    left >= 0 && top >= 0 && width >= 1 && height >= 1 && left + width <= size.width && top + height <= size.height;
  if (!whole || !within) {
    throw new ConfigError(
      `The window ${width} × ${height} at (${left}, ${top}) must lie within ${size.width} × ${size.height}, in whole pixels.`,
    );
  }
  const out = emptyPixels(rgb, height * width);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * size.width + left) * 3;
    out.set(rgb.subarray(from, from + width * 3), y * width * 3);
  }
  const boxes = truth.boxes.map((v, i) => v - (i % 2 === 0 ? left : top));
  const cut = { height, width };
  return {
    ...sample,
    rgb: out,
    size: cut,
    truth: clipTruth({ ...truth, boxes }, cut),
    map: movedMap(map, -left, -top),
  };
}
