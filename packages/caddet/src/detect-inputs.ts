// What `caddet detect` is to look at: files, folders, globs, videos and stdin, one image after the other. An input that is not there is
// reported, and the next one follows.
import { basename, resolve } from "node:path";
import { createInterface } from "node:readline";
import { addAbortSignal, type Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { CaddetError } from "@caddet/core/base";
import type { ImageSource } from "@caddet/inferencer";
import { imageFiles, openImage, videoFrames } from "@caddet/inferencer/node";

/** One image to look at. */
export interface DetectItem {
  /** What it is called in words: a path, `stdin`, or a video's path with a frame's number. */
  readonly name: string;
  /** Its name in a folder of results, without a folder. */
  readonly baseName: string;
  /** Where it lies, if it is a file of its own. */
  readonly path?: string;
  /** Of a video: which frame from 0, and when. */
  readonly frame?: { readonly index: number; readonly seconds: number };
  /** @throws DatasetError when it cannot be used */
  open(): Promise<ImageSource>;
}

/** Options of {@link detectItems}. */
export interface DetectInputOptions {
  /** Folders within folders, too. */
  readonly recursive: boolean;
  /** `-` stands for names, a line each, in place of one image. */
  readonly list: boolean;
  /** Frames a second to take of a video; default all. */
  readonly fps?: number;
  readonly signal: AbortSignal;
  readonly stdin: Readable;
  /** Hears of an input that cannot be used. */
  onFailure(name: string, error: CaddetError): void;
  /** Hears of files in folders that are no images. */
  onSkip(file: string): void;
}

const VIDEO = /\.(?:mp4|m4v|mov|mkv|webm|avi|mpe?g|ogv|wmv|flv|3gp|m2ts|mts)$/i;

/** Whether how many images there are can be told before the last one came. */
export function isCountable(inputs: readonly string[]): boolean {
  return inputs.every((input) => input !== "-" && !VIDEO.test(input));
}

/** A file as it is named, folder and glob or not. */
export const fileItem = (path: string): DetectItem => ({
  name: path,
  baseName: basename(path),
  path,
  open: () => openImage(path),
});

async function* videoItems(path: string, { fps, signal }: DetectInputOptions): AsyncGenerator<DetectItem> {
  for await (const frame of videoFrames(path, { signal, ...(fps === undefined ? {} : { fps }) })) {
    const { index, seconds } = frame;
    yield {
      name: `${path} frame ${index}`,
      baseName: `${basename(path)}-${String(index).padStart(6, "0")}`,
      frame: { index, seconds },
      open: async () => frame,
    };
  }
}

async function* itemsOf(input: string, options: DetectInputOptions): AsyncGenerator<DetectItem> {
  if (VIDEO.test(input)) yield* videoItems(input, options);
  else {
    const { recursive, onSkip } = options;
    for await (const file of imageFiles([input], { recursive, onSkip })) yield fileItem(file);
  }
}

async function* stdinItems(options: DetectInputOptions): AsyncGenerator<DetectItem> {
  const { stdin, list, signal } = options;
  if (!list) {
    const bytes = await buffer(addAbortSignal(signal, stdin));
    yield { name: "stdin", baseName: "stdin", open: () => openImage(bytes) };
    return;
  }
  for await (const line of createInterface({ input: stdin, signal })) {
    if (line === "") continue;
    // A name of a list is a file, whatever signs are in it.
    if (VIDEO.test(line)) yield* videoItems(line, options);
    else yield fileItem(line);
  }
}

/**
 * Finds what is to be looked at; the same file comes once.
 *
 * @param inputs files, folders, globs, videos, or `-` for stdin
 * @param options how to look, and who hears of failures
 * @returns the images, in the order of the inputs; folders and globs sorted
 */
export async function* detectItems(inputs: readonly string[], options: DetectInputOptions): AsyncGenerator<DetectItem> {
  const seen = new Set<string>();
  for (const input of inputs) {
    try {
      for await (const item of input === "-" ? stdinItems(options) : itemsOf(input, options)) {
        if (item.path !== undefined) {
          const path = resolve(item.path);
          if (seen.has(path)) continue;
          seen.add(path);
        }
        yield item;
      }
    } catch (error) {
      if (options.signal.aborted) return;
      if (!(error instanceof CaddetError)) throw error;
      options.onFailure(input, error);
    }
  }
}
