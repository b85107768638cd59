// What changes colours and leaves places: normalising, and the photometric distortion of SSD (Liu et al. 2016,
// section 2.2, data augmentation) with mmdetection 2.1's order, probabilities and ranges. Values on 0..255; the
// distortion does not clip.
import {
  ConfigError,
  IMAGENET_NORMALISATION,
  type Normalisation,
  normalisationTable,
  type Random,
} from "@caddet/core/base";
import type { Transform } from "./sample";

/**
 * Takes means off and divides by deviations, channel by channel.
 *
 * @param normalisation RGB, on 0..255; default ImageNet's
 * @returns a transform that draws nothing and gives floats
 * @throws ConfigError when a number is not finite or a deviation not positive
 * @example normaliseImage()
 */
export function normaliseImage(normalisation: Normalisation = IMAGENET_NORMALISATION): Transform {
  normalisationTable(normalisation);
  const { mean, std } = normalisation;
  return (sample) => {
    const rgb = Float32Array.from(sample.rgb, (v, i) => (v - mean[i % 3]!) / std[i % 3]!);
    return { ...sample, rgb };
  };
}

/** Ranges of {@link photometricDistortion}. */
export interface PhotometricOptions {
  /** Most that is added or taken off, on 0..255. Default 32. */
  readonly brightness?: number;
  /** Bounds of the factor. Default [0.5, 1.5]. */
  readonly contrast?: readonly [number, number];
  /** Bounds of the factor. Default [0.5, 1.5]. */
  readonly saturation?: readonly [number, number];
  /** Most that the hue is turned, degrees. Default 18. */
  readonly hue?: number;
}

const between = (random: Random, low: number, high: number) => low + random.next() * (high - low);
const heads = (random: Random) => random.next() < 0.5;

// Saturation and hue of the hexcone model (Smith 1978), without leaving RGB longer than a pixel: value = max, chroma
// = max - min.
function turnColours(rgb: Float32Array, saturationFactor: number, hueShift: number): void {
  for (let i = 0; i < rgb.length; i += 3) {
    const [r, g, b] = [rgb[i]!, rgb[i + 1]!, rgb[i + 2]!];
    const value = Math.max(r, g, b);
    const chroma = value - Math.min(r, g, b);
    // Grey has no hue, and scaling its saturation leaves it grey.
    if (chroma === 0) continue;
    const sixth = value === r ? (g - b) / chroma : value === g ? 2 + (b - r) / chroma : 4 + (r - g) / chroma;
    const hue = (((sixth + hueShift / 60) % 6) + 6) % 6;
    const newChroma = chroma * saturationFactor;
    for (let c = 0; c < 3; c++) {
      // Distance of the hue from the one where this channel has its full value: red 0, green 2, blue 4.
      const apart = Math.abs(hue - 2 * c);
      const circular = Math.min(apart, 6 - apart);
      rgb[i + c] = value - newChroma * Math.min(Math.max(circular - 1, 0), 1);
    }
  }
}

function permuteChannels(rgb: Float32Array, order: readonly number[]): void {
  for (let i = 0; i < rgb.length; i += 3) {
    const pixel = [rgb[i]!, rgb[i + 1]!, rgb[i + 2]!];
    for (let c = 0; c < 3; c++) rgb[i + c] = pixel[order[c]!]!;
  }
}

function assertRange(name: string, [low, high]: readonly [number, number]): void {
  if (!(low >= 0 && high >= low && Number.isFinite(high))) {
    throw new ConfigError(`${name} needs bounds 0 <= low <= high, got [${low}, ${high}].`);
  }
}

/**
 * Distorts colours: brightness, contrast (before or after, as likely), saturation, hue, order of the channels, each
 * with probability 1/2.
 *
 * @param options ranges
 * @returns a transform that gives floats, which may leave 0..255
 * @throws ConfigError when a range is none
 * @example photometricDistortion({ hue: 0 })
 */
export function photometricDistortion({
  brightness = 32,
  contrast = [0.5, 1.5],
  saturation = [0.5, 1.5],
  hue = 18,
}: PhotometricOptions = {}): Transform {
  assertRange("Brightness", [0, brightness]);
  assertRange("Contrast", contrast);
  assertRange("Saturation", saturation);
  assertRange("Hue", [0, hue]);
  return (sample, random) => {
    const rgb = Float32Array.from(sample.rgb);
    const scale = (factor: number) => {
      for (let i = 0; i < rgb.length; i++) rgb[i]! *= factor;
    };
    if (heads(random)) {
      const added = between(random, -brightness, brightness);
      for (let i = 0; i < rgb.length; i++) rgb[i]! += added;
    }
    const contrastFirst = heads(random);
    if (contrastFirst && heads(random)) scale(between(random, ...contrast));
    const factor = heads(random) ? between(random, ...saturation) : 1;
    const shift = heads(random) ? between(random, -hue, hue) : 0;
    if (factor !== 1 || shift !== 0) turnColours(rgb, factor, shift);
    if (!contrastFirst && heads(random)) scale(between(random, ...contrast));
    if (heads(random)) permuteChannels(rgb, random.shuffle([0, 1, 2]));
    return { ...sample, rgb };
  };
}
