// The ffmpeg program as a child: is it there, which options does its version know, and a run that gives a video's frames on one pipe and
// their times on another. It knows nothing of images. Needs Node, and ffmpeg 4 or later.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { CaddetError } from "@caddet/core";

/** The ffmpeg program cannot be started. */
export class FfmpegMissingError extends CaddetError {
  constructor(ffmpeg: string, cause: unknown) {
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    super(
      "ffmpeg-missing",
      `Videos are decoded by ffmpeg, and "${ffmpeg}" cannot be started (${why}). Install it (apt install ffmpeg, brew install ffmpeg, winget install ffmpeg) or pass its path as the option ffmpeg.`,
      { ffmpeg },
      { cause },
    );
  }
}

/** What a run of ffmpeg is told. */
export interface FfmpegJob {
  /** The program: a name in PATH, or a path. */
  readonly ffmpeg: string;
  /** A file's path; absent: the video comes on the child's standard input. */
  readonly file?: string;
  /** Frames a second; absent: every frame of the video. */
  readonly fps?: number;
  /** Told of each line that ffmpeg says of damage. */
  readonly onWarning?: (line: string) => void;
  /** Ends the question for the version; a run is ended with `stop()`. */
  readonly signal?: AbortSignal;
}

/** A run of ffmpeg. */
export interface FfmpegRun {
  /** PPM pictures. ffmpeg waits while nobody reads them. */
  readonly pictures: Readable;
  /** Standard input, where the video comes from there. */
  readonly input: Writable | undefined;
  /** The time of the next frame, seconds; NaN where the video has none. Called once for each frame. */
  nextTime(): Promise<number>;
  /** Settles when it has ended and all was read: its exit code, null after `stop()`, and the last line that it said. */
  readonly ended: Promise<{ readonly code: number | null; readonly lastLine: string | undefined }>;
  /** Ends it at once; settles when it is gone. */
  stop(): Promise<void>;
}

// `-fps_mode` came with 5.1, which frowns on its forerunner; builds between versions have no such number, and are newer.
async function everyFrameOption({ ffmpeg, signal }: FfmpegJob): Promise<readonly string[]> {
  let text: string;
  try {
    text = (await promisify(execFile)(ffmpeg, ["-version"], { timeout: 10_000, windowsHide: true, signal })).stdout;
  } catch (cause) {
    throw new FfmpegMissingError(ffmpeg, cause);
  }
  const [, major, minor] = /^ffmpeg version n?(\d{1,3})\.(\d+)/.exec(text) ?? [];
  const isOld = major !== undefined && (Number(major) < 5 || (major === "5" && minor === "0"));
  return isOld ? ["-vsync", "passthrough"] : ["-fps_mode", "passthrough"];
}

async function argumentsOf(job: FfmpegJob): Promise<string[]> {
  const { file, fps } = job;
  // "file:" and the whitelist keep a name or a playlist from making ffmpeg open addresses.
  const input =
    file === undefined
      ? ["-protocol_whitelist", "pipe", "-i", "pipe:0"]
      : ["-nostdin", "-protocol_whitelist", "file", "-i", `file:${file}`];
  // The one filter that prints each frame's time to a pipe prints frames with metadata alone.
  const times = "metadata=mode=add:key=caddet:value=1,metadata=mode=print:file='pipe\\:3':direct=1";
  return [
    ...["-hide_banner", "-loglevel", "error", ...input],
    // The first stream that is no cover picture.
    ...["-map", "0:V:0", ...(await everyFrameOption(job))],
    ...["-vf", fps === undefined ? times : `fps=${fps},${times}`],
    ...["-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "pipe:1"],
  ];
}

function timesOf(pipe: Readable): () => Promise<number> {
  const waiting: number[] = [];
  let isEnded = false;
  let wake: (() => void) | undefined;
  const lines = createInterface({ input: pipe });
  lines.on("line", (line) => {
    const [, seconds] = /\bpts_time:(\S+)/.exec(line) ?? [];
    if (seconds === undefined) return;
    waiting.push(Number(seconds));
    wake?.();
  });
  lines.on("close", () => {
    isEnded = true;
    wake?.();
  });
  return async () => {
    while (waiting.length === 0 && !isEnded) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return waiting.shift() ?? Number.NaN;
  };
}

function lastLineOf(stderr: Readable, onWarning: FfmpegJob["onWarning"]): () => string | undefined {
  let last: string | undefined;
  createInterface({ input: stderr }).on("line", (line) => {
    const text = line.replaceAll(/ @ 0x[0-9a-f]+/g, "").trim();
    // What follows the line on a missing stream is advice for the command line.
    if (text === "" || text.startsWith("To ignore this")) return;
    last = text.slice(0, 500);
    onWarning?.(last);
  });
  return () => last;
}

function whenEnded(child: ChildProcess, ffmpeg: string): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => reject(new FfmpegMissingError(ffmpeg, cause)));
    child.once("close", resolve);
  });
}

/**
 * Starts ffmpeg.
 *
 * @param job program, video, frames a second
 * @returns the run; `stop` it when done
 * @throws FfmpegMissingError when the program cannot be started
 */
export async function startFfmpeg(job: FfmpegJob): Promise<FfmpegRun> {
  const { ffmpeg, file, onWarning } = job;
  const stdin = file === undefined ? "pipe" : "ignore";
  const child = spawn(ffmpeg, await argumentsOf(job), { stdio: [stdin, "pipe", "pipe", "pipe"], windowsHide: true });
  const pictures = child.stdout as Readable;
  const times = child.stdio[3] as Readable;
  const lastLine = lastLineOf(child.stderr as Readable, onWarning);
  const closed = whenEnded(child, ffmpeg);
  const ended = closed.then((code) => ({ code, lastLine: lastLine() }));
  // Whoever stops a run early does not wait for its end.
  ended.catch(() => {});
  const isGone = () => child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
  return {
    pictures,
    input: child.stdin ?? undefined,
    nextTime: timesOf(times),
    ended,
    stop: async () => {
      const exited = isGone() ? undefined : new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGKILL");
      // Unread pixels would keep the pipes open.
      for (const pipe of child.stdio) pipe?.destroy();
      await exited;
    },
  };
}
