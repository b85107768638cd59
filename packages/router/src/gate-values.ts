// What the readers of gates share: whether an array holds the gates of whole images, and how undecided a path is.
import { ConfigError, ShapeError } from "@caddet/core";

/** Refuses counts that are not whole numbers of at least 1. */
export function checkCounts(reader: string, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) {
    if (!Number.isInteger(count) || count < 1) {
      throw new ConfigError(`${reader} needs a whole number of ${name}, at least 1, got ${count}.`, { [name]: count });
    }
  }
}

/** Counts the images of gates `[B * P]`; refuses what is no whole image, none, or no gate. */
export function imagesOf(reader: string, gates: ArrayLike<number>, paths: number): number {
  const images = gates.length / paths;
  if (!Number.isInteger(images) || images === 0) {
    throw new ShapeError(`${reader} needs gates [B * ${paths}], B at least 1, got ${gates.length} numbers.`);
  }
  for (let i = 0; i < gates.length; i++) {
    const gate = gates[i]!;
    if (!(gate >= 0 && gate <= 1)) {
      throw new ConfigError(`Gate ${i % paths} of image ${Math.floor(i / paths)} is ${gate}; gates lie in [0, 1].`);
    }
  }
  return images;
}

const bits = (p: number) => (p > 0 ? -p * Math.log2(p) : 0);

/** The entropy of open against closed in bits, in [0, 1], of a path that is open for the share p of all images. */
export function openEntropy(p: number): number {
  return bits(p) + bits(1 - p);
}
