// The frames of a video, one by one, decoded by the ffmpeg program. One frame is in memory, and ffmpeg waits, until the next is asked
// for. What ffmpeg is told and how it is ended is ffmpeg.ts's business. Needs Node.
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ConfigError, DatasetError, type Size } from "@caddet/core";
import sharp from "sharp";
import type { ImageSource } from "../sources";
import { type FfmpegRun, startFfmpeg } from "./ffmpeg";
import { ppmFrames } from "./ppm-frames";

/** Options of {@link videoFrames}. */
export interface VideoFramesOptions {
  /** The ffmpeg program: a name in PATH, or a path. Default "ffmpeg". */
  readonly ffmpeg?: string;
  /** Frames a second to give, above 0: left out or repeated as needed. Default every frame of the video, once. */
  readonly fps?: number;
  /** Ends ffmpeg and the iteration, which throws its reason. */
  readonly signal?: AbortSignal;
  /** Told, in ffmpeg's words, of damage that it decoded past. */
  readonly onWarning?: (line: string) => void;
}

/** A frame of a video. */
export interface VideoFrameSource extends ImageSource {
  /** From 0, over the frames given. */
  readonly index: number;
  /** When it is shown, from the video's start; NaN where the video does not say. */
  readonly seconds: number;
}

function frameSource(data: Uint8Array, { height, width }: Size, index: number, seconds: number): VideoFrameSource {
  const render = async (size: Size) => {
    if (size.height === height && size.width === width) return data;
    return sharp(data, { raw: { width, height, channels: 3 } })
      .resize(size.width, size.height, { fit: "fill", kernel: "linear" })
      .raw()
      .toBuffer();
  };
  return { height, width, index, seconds, render };
}

async function requireFile(file: string): Promise<void> {
  const found = await stat(file).catch((cause: NodeJS.ErrnoException) => {
    throw new DatasetError(`${file} cannot be read (${cause.code}). Check the path.`, { file }, { cause });
  });
  if (found.isFile()) return;
  throw new DatasetError(`${file} is no plain file. Name a video file, or pass a stream of one.`, { file });
}

// Feeds a stream to ffmpeg; tells what went wrong with the stream itself, not that ffmpeg took no more of it.
function feed(source: Readable, { input }: FfmpegRun): () => Error | undefined {
  let failure: Error | undefined;
  source.once("error", (cause) => {
    if (!input?.destroyed) failure = cause;
  });
  if (input) pipeline(source, input).catch(() => {});
  return () => failure;
}

async function* framesOf(run: FfmpegRun, name: string, source: string | Readable): AsyncGenerator<VideoFrameSource> {
  const streamFailure = typeof source === "string" ? () => undefined : feed(source, run);
  let index = 0;
  for await (const { data, ...size } of ppmFrames(run.pictures)) {
    yield frameSource(data, size, index++, await run.nextTime());
  }
  const { code, lastLine = "it gave no frame" } = await run.ended;
  const cause = streamFailure();
  if (cause) throw new DatasetError(`The video's stream failed: ${cause.message}`, {}, { cause });
  if (code === 0 && index > 0) return;
  const advice =
    typeof source === "string"
      ? "Give a whole video file"
      : "Give a whole video; an MP4 that comes as a stream needs its index in front (ffmpeg -movflags +faststart)";
  throw new DatasetError(`${name} cannot be decoded, ffmpeg says: ${lastLine}. ${advice}.`, {
    file: name,
    frames: index,
  });
}

async function* decoded(source: string | Readable, options: VideoFramesOptions): AsyncGenerator<VideoFrameSource> {
  const { ffmpeg = "ffmpeg", signal } = options;
  const file = typeof source === "string" ? { file: source } : {};
  let run: FfmpegRun | undefined;
  const stop = () => void run?.stop();
  signal?.addEventListener("abort", stop);
  try {
    signal?.throwIfAborted();
    if (typeof source === "string") await requireFile(source);
    run = await startFfmpeg({ ...options, ffmpeg, ...file });
    signal?.throwIfAborted();
    for await (const frame of framesOf(run, file.file ?? "the stream", source)) {
      signal?.throwIfAborted();
      yield frame;
      signal?.throwIfAborted();
    }
  } catch (error) {
    // A stopped ffmpeg fails in ways of its own.
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
    await run?.stop();
    if (typeof source !== "string") source.destroy();
  }
}

/**
 * Decodes a video, frame by frame. ffmpeg turns frames as the video says; boxes are in pixels of the frame as it is shown, if its pixels
 * are square. Damage in the middle is decoded past, as players do; `onWarning` hears of it.
 *
 * @param source path of a file, or a stream of its bytes, which is used up: destroyed at the end
 * @param options program, frames a second, signal
 * @returns frames in order, to be iterated once for a stream; leaving the iteration ends ffmpeg
 * @throws ConfigError when fps is not above 0; from the iteration FfmpegMissingError when there is no ffmpeg, DatasetError with ffmpeg's
 *   last words when there is no such file or no frame in it, or ffmpeg fails, and the signal's reason
 * @example for await (const frame of videoFrames("street.mp4", { fps: 5 })) await inferencer.detect(frame);
 */
export function videoFrames(
  source: string | Readable,
  options: VideoFramesOptions = {},
): AsyncIterable<VideoFrameSource> {
  const { fps } = options;
  if (fps !== undefined && !(fps > 0 && fps <= 1000)) {
    throw new ConfigError(`fps is above 0 and at most 1000 frames a second, got ${fps}.`, { fps });
  }
  if (typeof source !== "string" && !(source instanceof Readable)) {
    throw new ConfigError("A video is a path or a Node stream. Turn other streams with Readable.fromWeb().");
  }
  return { [Symbol.asyncIterator]: () => decoded(source, options) };
}
