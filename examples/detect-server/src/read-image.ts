// The bytes of the image in a request's body, plain or as a part of a form: never more than allowed, and no longer than wanted.
import type { Readable } from "node:stream";
import type { FastifyRequest } from "fastify";
import { HttpError } from "./http-error";

/** Options of {@link readImage}. */
export interface ReadOptions {
  /** Most bytes of an image. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

const tooLarge = (maxBytes: number) =>
  new HttpError("too-large", 413, `The body is larger than ${maxBytes} bytes. Send a smaller image.`);

// The request is left unread where this fails, not destroyed: its socket still has the answer to carry.
function collect(stream: Readable, { maxBytes, signal }: ReadOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const stop = () => {
      signal.removeEventListener("abort", onAbort);
      stream.off("data", onData).off("end", onEnd).off("close", onClose);
    };
    const fail = (error: unknown) => {
      stop();
      reject(error);
    };
    const onAbort = () => fail(signal.reason);
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes) return fail(tooLarge(maxBytes));
      chunks.push(chunk);
    };
    const onEnd = () => {
      stop();
      resolve(Buffer.concat(chunks, bytes));
    };
    const onClose = () => fail(new HttpError("request", 400, "The body ended too early."));
    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    // The error's listener stays: what is left unread may still fail.
    stream.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}

// The first file of a form; what stands before it is passed over.
async function fileOf(request: FastifyRequest, signal: AbortSignal): Promise<Readable | undefined> {
  try {
    return (await request.file())?.file;
  } catch (error) {
    signal.throwIfAborted();
    throw new HttpError("request", 400, `The form cannot be read: ${error instanceof Error ? error.message : error}.`);
  }
}

/**
 * Reads the image that a request brings.
 *
 * @param request its body is a stream, or a form with one file
 * @param options bounds
 * @returns the image file's bytes
 * @throws HttpError `too-large`, `no-image`; the signal's reason once that is aborted
 */
export async function readImage(request: FastifyRequest, options: ReadOptions): Promise<Buffer> {
  const isForm = request.isMultipart();
  // A form is its image and a little around it; its image is counted when it comes.
  if (!isForm && Number(request.headers["content-length"]) > options.maxBytes) throw tooLarge(options.maxBytes);
  const stream = isForm ? await fileOf(request, options.signal) : (request.body as Readable | undefined);
  const bytes = stream && (await collect(stream, options));
  if (bytes?.length) return bytes;
  throw new HttpError("no-image", 400, "The request has no image. Send one as the body, or as a file of a form.");
}
