// The caller's side of the loader's thread: starts it at the first batch, sends what to make and takes what was made.
// The thread keeps no process alive when nothing is in work. Needs Node.
import { Worker } from "node:worker_threads";
import { CaddetError } from "@caddet/core/base";
import { ImageFileError } from "../images/image-file";
import { SharpMissingError } from "../images/sharp-module";
import { memoryShelf } from "./batch-memory";
import { type BatchPixels, batchLength } from "./batch-pixels";
import type { BatchRenderer } from "./batch-renderer";
import type { LoaderAnswer, LoaderOrder } from "./loader-messages";

interface Waiting {
  readonly resolve: (pixels: BatchPixels | undefined) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Makes a renderer with a thread of its own.
 *
 * @param script the built `loader-worker`
 * @param kept how many pieces of memory are kept
 */
export function createThreadRenderer(script: URL, kept: number): BatchRenderer {
  const shelf = memoryShelf(kept, true);
  const waiting = new Map<number, Waiting>();
  let worker: Worker | undefined;
  let last = 0;

  function settle(id: number): Waiting | undefined {
    const found = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) worker?.unref();
    return found;
  }

  function receive(answer: LoaderAnswer): void {
    const found = settle(answer.id);
    if (answer.kind === "failure") {
      found?.reject(
        answer.code === "sharp-missing"
          ? new SharpMissingError(answer.message)
          : new CaddetError(answer.code, answer.message),
      );
      return;
    }
    const { batch } = answer;
    const faults = batch?.faults.map(({ image, reason, message, details }) => ({
      image,
      error: new ImageFileError(reason, message, details),
    }));
    found?.resolve(batch && faults && { ...batch, faults });
  }

  function failAll(cause: unknown): void {
    worker = undefined;
    const why = cause instanceof Error ? cause.message : `it ended with ${cause}`;
    const error = new CaddetError(
      "loader-thread",
      `The loader's thread failed (${why}). Make a new loader.`,
      {},
      { cause },
    );
    for (const id of [...waiting.keys()]) settle(id)?.reject(error);
  }

  function start(): Worker {
    // What loads the caller's sources is not meant for the build.
    const started = new Worker(script, { execArgv: [] });
    started.on("message", receive).once("error", failAll).once("exit", failAll);
    return started;
  }

  function send(order: LoaderOrder): void {
    worker?.postMessage(order);
  }

  return {
    async render(job, signal) {
      if (signal.aborted) return undefined;
      const id = ++last;
      const piece = shelf.take(batchLength(job));
      const made = new Promise<BatchPixels | undefined>((resolve, reject) => waiting.set(id, { resolve, reject }));
      worker ??= start();
      worker.ref();
      send({ kind: "render", id, job, memory: piece });
      const cancel = () => send({ kind: "cancel", id });
      signal.addEventListener("abort", cancel, { once: true });
      const pixels = await made.finally(() => signal.removeEventListener("abort", cancel));
      // A cancelled batch is handed to nobody who could give its memory back.
      if (!pixels && piece) shelf.reclaim(new Float32Array(piece.memory));
      return pixels;
    },
    recycle: (images) => shelf.reclaim(images),
    dispose() {
      shelf.clear();
      send({ kind: "close" });
    },
  };
}
