// A queue of boxes, best first: of equal scores the lower index. Internal to soft-nms.ts, where scores fall while boxes wait.

/** Boxes that wait, best first. */
export class ScoreQueue {
  /** A binary heap of indices. */
  readonly #heap: number[] = [];
  readonly #scores: ArrayLike<number>;

  /** `scores` may fall for an index while it is not in the queue. */
  constructor(scores: ArrayLike<number>) {
    this.#scores = scores;
  }

  #before(a: number, b: number): boolean {
    const [x, y] = [this.#scores[a]!, this.#scores[b]!];
    return x > y || (x === y && a < b);
  }

  /** Adds an index. */
  push(index: number): void {
    const heap = this.#heap;
    let at = heap.length;
    for (let parent = (at - 1) >> 1; at > 0 && this.#before(index, heap[parent]!); parent = (at - 1) >> 1) {
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = index;
  }

  /** Takes out the best index; undefined when none is left. */
  pop(): number | undefined {
    const heap = this.#heap;
    const best = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return best;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < heap.length && this.#before(heap[child + 1]!, heap[child]!)) child++;
      if (child >= heap.length || !this.#before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return best;
  }
}
