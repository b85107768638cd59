// The boxes of one image that wait for suppression, each with one class and one score. Internal: multiclass-nms.ts and the heads fill it.
// The order of adding decides between equal scores.
import type { Detections } from "@caddet/core";
import { batchedNms } from "./nms";

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

  /** Runs {@link batchedNms} and returns what it keeps. */
  suppress(nmsIou: number, maxPerImage: number): Detections {
    const kept = batchedNms(this.#boxes, this.#scores, this.#labels, nmsIou, maxPerImage);
    const boxes = new Float32Array(4 * kept.length);
    kept.forEach((i, k) => {
      boxes.set(this.#boxes.slice(4 * i, 4 * i + 4), 4 * k);
    });
    return {
      boxes,
      scores: Float32Array.from(kept, (i) => this.#scores[i]!),
      labels: Int32Array.from(kept, (i) => this.#labels[i]!),
    };
  }
}
