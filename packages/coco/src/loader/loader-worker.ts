// The loader's thread: makes batches as it is told, so that the caller's thread, busy with training, neither waits
// for pixels nor delays them. An entry of the build, started by batch-thread.ts; exports nothing.
import { parentPort } from "node:worker_threads";
import { CaddetError } from "@caddet/core/base";
import { prepareSharp } from "../images/image-file";
import { SharpMissingError } from "../images/sharp-module";
import { IMAGES_AT_ONCE, renderBatch } from "./batch-pixels";
import { createLimit } from "./concurrency-limit";
import type { LoaderAnswer, LoaderOrder, RenderOrder } from "./loader-messages";

const port = parentPort!;
const limit = createLimit(IMAGES_AT_ONCE);
const inWork = new Map<number, AbortController>();
let closing = false;
prepareSharp();

async function answerTo({ id, job, memory }: RenderOrder, signal: AbortSignal): Promise<LoaderAnswer> {
  try {
    const pixels = await renderBatch(job, limit, memory, signal);
    if (!pixels) return { kind: "batch", id, batch: undefined };
    const faults = pixels.faults.map(({ image, error: { reason, message, details } }) => ({
      image,
      reason,
      message,
      details,
    }));
    return { kind: "batch", id, batch: { ...pixels, faults } };
  } catch (error) {
    if (error instanceof SharpMissingError) return { kind: "failure", id, code: error.code, message: error.why };
    const code = error instanceof CaddetError ? error.code : "loader-thread";
    return { kind: "failure", id, code, message: error instanceof Error ? error.message : String(error) };
  }
}

port.on("message", async (order: LoaderOrder) => {
  if (order.kind === "cancel") inWork.get(order.id)?.abort();
  else if (order.kind === "render") {
    const controller = new AbortController();
    inWork.set(order.id, controller);
    const answer = await answerTo(order, controller.signal);
    inWork.delete(order.id);
    const buffer = answer.kind === "batch" ? answer.batch?.images.buffer : undefined;
    port.postMessage(answer, buffer instanceof ArrayBuffer ? [buffer] : []);
  } else closing = true;
  if (closing && inWork.size === 0) port.close();
});
