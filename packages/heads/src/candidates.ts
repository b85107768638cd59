// The boxes of one image that wait for suppression, each with one class and one score. Internal: multiclass-nms.ts and the heads fill it.
// The order of adding decides between equal scores.
import type { Detections } from "@caddet/core";
import { type SuppressionOptions, suppress } from "./suppression";

/** Boxes with one class each that wait for suppression. */
export class CandidateList {
  readonly #boxes: number[] = [];
  readonly #scores: number[] = [];
  readonly #labels: number[] = [];

  /** Adds box `at` of `boxes`. */
  add(boxes: ArrayLike<number>, at: number, score: number, label: number): void {
    this.#boxes.push(boxes[4 * at]!, boxes[4 * at + 1]!, boxes[4 * at + 2]!, boxes[4 * at + 3]!);
    this.#scores.push(score);
    this.#labels.push(label);
  }

  /** Runs {@link suppress} and returns what it keeps. */
  suppress(options: SuppressionOptions, maxPerImage: number): Detections {
    const { kept, scores } = suppress(this.#boxes, this.#scores, this.#labels, options, maxPerImage);
    const boxes = new Float32Array(4 * kept.length);
    kept.forEach((i, k) => {
      for (let side = 0; side < 4; side++) boxes[4 * k + side] = this.#boxes[4 * i + side]!;
    });
    return { boxes, scores, labels: Int32Array.from(kept, (i) => this.#labels[i]!) };
  }
}
