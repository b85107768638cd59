// What an image will cost, before its routers say so: what images of its input size cost so far, and before the first of them, its
// area times what a pixel cost so far.
import type { Size } from "@caddet/core";

/** Images that a mean goes back to, so that it follows a change of scene. */
const MEMORY = 64;
/** Input sizes whose means are kept; the oldest goes first. */
const MOST_SIZES = 256;

/** Predicts the MAdds of images. */
export interface CostPredictor {
  /** MAdds of an image; in units of its own before anything is known of MAdds, pixel by pixel the same. */
  predict(input: Size): number;
  /** Takes in what an image cost. */
  learn(input: Size, madds: number): void;
}

interface Mean {
  value: number;
  count: number;
}

function follow(mean: Mean, value: number): void {
  mean.count = Math.min(mean.count + 1, MEMORY);
  mean.value += (value - mean.value) / mean.count;
}

/**
 * Makes a predictor that has seen nothing yet.
 *
 * @param allOpen MAdds of an input with all paths open, where that is known: the prediction for the first image
 */
export function createCostPredictor(allOpen?: (input: Size) => number): CostPredictor {
  const bySize = new Map<string, Mean>();
  const perPixel: Mean = { value: 1, count: 0 };
  const keyOf = ({ height, width }: Size) => `${height}x${width}`;
  return {
    predict: (input) => {
      const known = bySize.get(keyOf(input));
      if (known) return known.value;
      if (perPixel.count === 0 && allOpen) return allOpen(input);
      return perPixel.value * input.height * input.width;
    },
    learn: (input, madds) => {
      const key = keyOf(input);
      const mean = bySize.get(key) ?? { value: 0, count: 0 };
      const [oldest] = bySize.keys();
      if (bySize.size >= MOST_SIZES && !bySize.has(key)) bySize.delete(oldest!);
      bySize.set(key, mean);
      follow(mean, madds);
      follow(perPixel, madds / (input.height * input.width));
    },
  };
}
