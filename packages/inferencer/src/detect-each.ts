// Many images one after another, a few ahead of the one that is asked for: while the network runs one, the next are read and decoded.

import { ConfigError } from "@caddet/core";
import { onAbort, untilAborted } from "./abort";
import type { DetectOptions, InferenceResult } from "./inference-result";

/** What an iteration may be told. */
export interface DetectEachOptions<Input> extends DetectOptions {
  /** Most images that are under way or wait to be taken, an integer from 1. Default twice the images of a batch, at least 4. */
  readonly ahead?: number;
  /**
   * Is told of an image that failed, in its turn, and the iteration goes on without it. Without this, it ends with the error.
   * Failures of the source itself end it either way.
   */
  readonly onError?: (error: unknown, index: number, image: Input) => void;
}

/** What one of many images gave. */
export interface EachResult<Input> extends InferenceResult {
  /** Which image of the source it was, from 0. */
  readonly index: number;
  /** The image as the source gave it. */
  readonly image: Input;
}

type Settled<T> = { readonly value: T } | { readonly error: unknown };
const settled = <T>(task: Promise<T>): Promise<Settled<T>> =>
  task.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );

interface UnderWay<Input> {
  readonly image: Input;
  readonly result: Promise<Settled<InferenceResult>>;
}

function checkAhead(ahead: number): number {
  if (Number.isInteger(ahead) && ahead >= 1) return ahead;
  throw new ConfigError(`ahead is an integer from 1, got ${ahead}.`, { ahead });
}

/**
 * Detects on what an iterable gives, in its order.
 *
 * @param images asked for the next one only while fewer than `ahead` are under way
 * @param detect starts one image
 * @param options how far ahead, what to do with failures, the signal
 * @returns results; who stops taking them early stops the source, and what is under way
 */
export async function* detectEach<Input>(
  images: Iterable<Input> | AsyncIterable<Input>,
  detect: (image: Input, signal: AbortSignal) => Promise<InferenceResult>,
  { ahead, signal, onError }: Omit<DetectEachOptions<Input>, "ahead"> & { readonly ahead: number },
): AsyncGenerator<EachResult<Input>, void, undefined> {
  const most = checkAhead(ahead);
  signal?.throwIfAborted();
  const iterator = Symbol.asyncIterator in images ? images[Symbol.asyncIterator]() : images[Symbol.iterator]();
  const stop = new AbortController();
  const forget = onAbort(signal, () => stop.abort(signal!.reason));
  const underWay: UnderWay<Input>[] = [];
  let pull: Promise<Settled<IteratorResult<Input>>> | undefined;
  let end: Settled<undefined> | undefined; // how the source ended
  try {
    for (let index = 0; ; ) {
      if (!end && !pull && underWay.length < most) pull = settled((async () => iterator.next())());
      const [oldest] = underWay;
      if (!oldest && !pull) {
        if (end && "error" in end) throw end.error;
        return;
      }
      const next = await untilAborted(
        Promise.race([...(oldest ? [oldest.result] : []), ...(pull ? [pull.then(() => undefined)] : [])]),
        signal,
      );
      if (next === undefined) {
        const pulled = await pull!;
        pull = undefined;
        if ("error" in pulled) end = pulled;
        else if (pulled.value.done) end = { value: undefined };
        else {
          const image = pulled.value.value;
          underWay.push({ image, result: settled(detect(image, stop.signal)) });
        }
        continue;
      }
      const { image } = underWay.shift()!;
      if ("value" in next) yield { ...next.value, index, image };
      else if (onError) onError(next.error, index, image);
      else throw next.error;
      index++;
    }
  } finally {
    forget();
    stop.abort();
    // A source that waits for something of its own may not answer: after an abort it is told, and not waited for.
    const stopped = end ? undefined : settled((async () => iterator.return?.())());
    if (!signal?.aborted) await stopped;
    await Promise.all(underWay.map(({ result }) => result));
  }
}
