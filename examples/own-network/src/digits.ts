// Drawn digits of 12 × 12 pixels, some clean, some spoiled in up to three ways. The ways, a binary description of each image, are what
// budgets and path similarity look at.
import type { Random } from "@caddet/router";

/** Rows and columns of an image. */
export const SIDE = 12;

/** The ways in which a digit can be spoiled. */
export const TRAITS = ["noisy", "crossed out", "faint"] as const;

/** One image. */
export interface Digit {
  /** `[SIDE * SIDE]`, ink about 1, paper about 0. */
  readonly pixels: Float32Array;
  /** 0 to 9. */
  readonly label: number;
  /** `[3]`, 1 where the image has the trait. */
  readonly traits: Uint8Array;
}

// Five columns, seven rows; a bit a pixel, the left one first.
const GLYPHS: readonly (readonly number[])[] = [
  [14, 17, 19, 21, 25, 17, 14],
  [4, 12, 4, 4, 4, 4, 14],
  [14, 17, 1, 2, 4, 8, 31],
  [31, 2, 4, 2, 1, 17, 14],
  [2, 6, 10, 18, 31, 2, 2],
  [31, 16, 30, 1, 1, 17, 14],
  [6, 8, 16, 30, 17, 17, 14],
  [31, 1, 2, 4, 8, 8, 8],
  [14, 17, 17, 14, 17, 17, 14],
  [14, 17, 17, 15, 1, 2, 12],
];

function inked(label: number, random: Random): Float32Array {
  const pixels = new Float32Array(SIDE * SIDE);
  const [left, top] = [2 + random.int(3), 1 + random.int(3)];
  for (const [row, bits] of GLYPHS[label]!.entries()) {
    for (let column = 0; column < 5; column++) {
      if ((bits >> (4 - column)) & 1) pixels[(top + row) * SIDE + left + column] = 1;
    }
  }
  return pixels;
}

/**
 * Draws one digit at a random place; half of all digits are clean.
 *
 * @param random the generator
 * @returns image, class and traits
 */
export function drawDigit(random: Random): Digit {
  const label = random.int(10);
  const pixels = inked(label, random);
  const spoiled = random.next() < 0.5;
  const traits = Uint8Array.from(TRAITS, () => (spoiled && random.next() < 0.6 ? 1 : 0));
  const [noisy, crossed, faint] = traits;
  if (faint) for (const [i, v] of pixels.entries()) pixels[i] = 0.5 * v;
  if (crossed) {
    const [row, slope] = [2 + random.int(8), random.int(3) - 1];
    for (let x = 0; x < SIDE; x++) {
      const y = row + Math.round((slope * (x - SIDE / 2)) / 2);
      if (y >= 0 && y < SIDE) pixels[y * SIDE + x] = 0.7;
    }
  }
  const deviation = noisy ? 0.2 : 0.03;
  for (const [i, v] of pixels.entries()) pixels[i] = v + deviation * random.normal();
  return { pixels, label, traits };
}

/** Draws `count` digits. */
export function drawDigits(count: number, random: Random): Digit[] {
  return Array.from({ length: count }, () => drawDigit(random));
}
