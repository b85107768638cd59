// Who makes the pixels of batches: a thread of its own where the build has its script beside it, else the caller's,
// with decoding on libuv's threads either way.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { memoryShelf } from "./batch-memory";
import { type BatchJob, type BatchPixels, batchLength, IMAGES_AT_ONCE, renderBatch } from "./batch-pixels";
import { createThreadRenderer } from "./batch-thread";
import { createLimit } from "./concurrency-limit";

/** Makes batches, several at a time. */
export interface BatchRenderer {
  /** A batch; undefined where the signal ended it. */
  render(job: BatchJob, signal: AbortSignal): Promise<BatchPixels | undefined>;
  /** Takes the memory of a batch. */
  recycle(images: Float32Array): void;
  /** Ends it after what is in work. */
  dispose(): void;
}

/**
 * Makes a renderer in the caller's thread.
 *
 * @param kept how many pieces of memory are kept
 */
export function createLocalRenderer(kept: number): BatchRenderer {
  const limit = createLimit(IMAGES_AT_ONCE);
  const shelf = memoryShelf(kept);
  return {
    render: (job, signal) => renderBatch(job, limit, shelf.take(batchLength(job)), signal),
    recycle: (images) => shelf.reclaim(images),
    dispose: () => shelf.clear(),
  };
}

/**
 * Makes a renderer in a thread of its own, or in the caller's where there is no script for one, as in TypeScript
 * sources and bundles.
 *
 * @param prefetch batches made at once
 */
export function createBatchRenderer(prefetch: number): BatchRenderer {
  // One piece for each batch in work, one for the batch that the consumer has.
  const kept = prefetch + 1;
  const script = new URL("./loader-worker.js", import.meta.url);
  const built = script.protocol === "file:" && existsSync(fileURLToPath(script));
  return built ? createThreadRenderer(script, kept) : createLocalRenderer(kept);
}
