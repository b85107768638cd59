import { execFileSync, spawnSync } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { ConfigError, DatasetError } from "@caddet/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FfmpegMissingError, type VideoFramesOptions, videoFrames } from "../src/node/index";
import { fakeFfmpeg } from "./fake-ffmpeg";

let folder: string;
let video: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "caddet-video-"));
  video = join(folder, "any.mp4");
  await writeFile(video, "what a fake program does not look at");
});
afterAll(() => rm(folder, { recursive: true }));

interface Seen {
  readonly index: number;
  readonly seconds: number;
  readonly size: readonly number[];
  readonly first: number;
}

async function seen(source: string | Readable, options?: VideoFramesOptions): Promise<Seen[]> {
  const frames: Seen[] = [];
  for await (const frame of videoFrames(source, options)) {
    const { index, seconds, height, width } = frame;
    frames.push({ index, seconds, size: [height, width], first: (await frame.render(frame))[0]! });
  }
  return frames;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe.skipIf(process.platform === "win32")("videoFrames with a program in ffmpeg's place", () => {
  it("gives frames with their number and time, as what the program says", async () => {
    const { path } = fakeFfmpeg(folder, "three", "for (let i = 0; i < 3; i++) frame(i);");
    expect(await seen(video, { ffmpeg: path })).toEqual([
      { index: 0, seconds: 0, size: [100, 100], first: 0 },
      { index: 1, seconds: 0.25, size: [100, 100], first: 1 },
      { index: 2, seconds: 0.5, size: [100, 100], first: 2 },
    ]);
  });

  it("gives NaN for the time of a frame that has none", async () => {
    const { path } = fakeFfmpeg(folder, "timeless", 'frame("0"); all(1, Buffer.from("P6 1 1 255\\nabc"));');
    const frames = await seen(video, { ffmpeg: path });
    expect(frames.map(({ seconds }) => seconds)).toEqual([0, Number.NaN]);
  });

  it("renders a frame at any size, again and later", async () => {
    const { path } = fakeFfmpeg(folder, "two", "frame(7); frame(9);");
    const frames = [];
    for await (const frame of videoFrames(video, { ffmpeg: path })) frames.push(frame);
    expect(new Set(await frames[0]!.render({ height: 11, width: 13 }))).toEqual(new Set([7]));
    expect((await frames[1]!.render({ height: 11, width: 13 })).length).toBe(11 * 13 * 3);
    expect([...(await frames[1]!.render({ height: 200, width: 1 }))]).toEqual(Array(600).fill(9));
  });

  it.each([
    ["4.4.2-0ubuntu0.22.04.1", "-vsync"],
    ["5.0", "-vsync"],
    ["5.1.6-0+deb12u1", "-fps_mode"],
    ["n7.1", "-fps_mode"],
    ["N-118000-g1234567", "-fps_mode"],
    ["2024-05-06-git", "-fps_mode"],
  ])("asks version %s for every frame once with %s", async (version, option) => {
    const ffmpeg = fakeFfmpeg(folder, "version", "frame(0);", version);
    await seen(video, { ffmpeg: ffmpeg.path });
    const args = ffmpeg.args();
    expect(args[args.indexOf(option) + 1]).toBe("passthrough");
    expect(args.includes("-vsync") && args.includes("-fps_mode")).toBe(false);
  });

  it("keeps a file's name from being an option, an address or a list", async () => {
    const ffmpeg = fakeFfmpeg(folder, "plain", "frame(0);");
    await seen(video, { ffmpeg: ffmpeg.path, fps: 2.5 });
    expect(ffmpeg.args().join(" ")).toContain(`-protocol_whitelist file -i file:${video} -map 0:V:0`);
    expect(ffmpeg.args().join(" ")).toContain("-vf fps=2.5,metadata=");
  });

  it("lets the program wait while nobody takes frames, and ends it when the iteration is left", async () => {
    const ffmpeg = fakeFfmpeg(folder, "endless", "for (let i = 0; ; i = (i + 1) % 256) frame(i);");
    let taken = 0;
    for await (const _ of videoFrames(video, { ffmpeg: ffmpeg.path })) {
      await wait(200);
      // The pipe and the buffers at both ends hold a few frames.
      expect(ffmpeg.written()).toBeLessThan(taken + 24);
      expect(isRunning(ffmpeg.pid())).toBe(true);
      if (++taken === 3) break;
    }
    expect(isRunning(ffmpeg.pid())).toBe(false);
  });

  it("ends the program when whoever takes frames fails", async () => {
    const ffmpeg = fakeFfmpeg(folder, "endless-2", "for (;;) frame(1);");
    const fail = async () => {
      for await (const _ of videoFrames(video, { ffmpeg: ffmpeg.path })) throw new Error("enough");
    };
    await expect(fail()).rejects.toThrow("enough");
    expect(isRunning(ffmpeg.pid())).toBe(false);
  });

  it.each([
    ["while it waits for a frame", "frame(0); setInterval(() => {}, 1000);"],
    ["between frames", "for (let i = 0; ; i = (i + 1) % 256) frame(i);"],
  ])("throws the signal's reason %s", async (_, run) => {
    const ffmpeg = fakeFfmpeg(folder, "aborted", run);
    const controller = new AbortController();
    const reason = new Error("stopped by hand");
    const take = async () => {
      for await (const { index } of videoFrames(video, { ffmpeg: ffmpeg.path, signal: controller.signal })) {
        if (index === 0) setTimeout(() => controller.abort(reason), 50);
        await wait(5);
      }
    };
    await expect(take()).rejects.toBe(reason);
    expect(isRunning(ffmpeg.pid())).toBe(false);
  });

  it("starts nothing for a signal that was aborted before", async () => {
    const signal = AbortSignal.abort(new Error("too late"));
    await expect(seen(video, { ffmpeg: "no-such-program", signal })).rejects.toThrow("too late");
  });

  it.each([
    [
      "says why",
      'console.error("[mov @ 0x55d0] odd\\n[mov @ 0x55d0] moov atom not found\\n"); process.exitCode = 1;',
      "[mov] moov atom not found",
    ],
    ["says nothing", "process.exitCode = 3;", "it gave no frame"],
    ["gives no frame, and calls it success", "", "it gave no frame"],
    [
      "is killed after a frame",
      'frame(0); process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000);',
      "it gave no frame",
    ],
  ])("names what is wrong when the program %s", async (_, run, words) => {
    const { path } = fakeFfmpeg(folder, "failing", run);
    const failure = seen(video, { ffmpeg: path });
    await expect(failure).rejects.toThrow(
      `${video} cannot be decoded, ffmpeg says: ${words}. Give a whole video file.`,
    );
    await expect(failure).rejects.toThrow(DatasetError);
  });

  it("gives the frames around damage, and tells of it", async () => {
    const { path } = fakeFfmpeg(
      folder,
      "damaged",
      'frame(0); console.error("[h264 @ 0x1] concealing errors"); frame(1);',
    );
    const warnings: string[] = [];
    const frames = await seen(video, { ffmpeg: path, onWarning: (line) => warnings.push(line) });
    expect(frames).toHaveLength(2);
    expect(warnings).toEqual(["[h264] concealing errors"]);
  });

  const ECHO = "const bytes = readFileSync(0); frame(bytes[0]);";
  it("decodes a stream", async () => {
    const ffmpeg = fakeFfmpeg(folder, "echo", ECHO);
    expect(await seen(Readable.from([Buffer.of(42)]), { ffmpeg: ffmpeg.path })).toMatchObject([{ first: 42 }]);
    expect(ffmpeg.args().join(" ")).toContain("-i pipe:0");
  });

  it("tells that the stream failed, not what ffmpeg made of its beginning", async () => {
    const { path } = fakeFfmpeg(folder, "echo-2", ECHO);
    async function* broken() {
      yield Buffer.of(1);
      throw new Error("connection lost");
    }
    const failure = seen(Readable.from(broken()), { ffmpeg: path });
    await expect(failure).rejects.toThrow("The video's stream failed: connection lost");
    await expect(failure).rejects.toThrow(DatasetError);
  });

  it.each([
    ["a program that takes no more of it", "frame(1); process.exit(0);", 1],
    ["an iteration that is left", "frame(1); frame(2); frame(3);", 2],
  ])("ends with an endless stream after %s, which is destroyed", async (_, run, most) => {
    const { path } = fakeFfmpeg(folder, "short", run);
    const source = new Readable({
      read() {
        this.push(Buffer.alloc(65536));
      },
    });
    let taken = 0;
    for await (const _ of videoFrames(source, { ffmpeg: path })) if (++taken === most) break;
    expect(taken).toBe(most);
    expect(source.destroyed).toBe(true);
  });

  it("says what to do about an MP4 whose index comes last", async () => {
    const { path } = fakeFfmpeg(folder, "indexless", "process.exitCode = 1;");
    await expect(seen(Readable.from([Buffer.of(1)]), { ffmpeg: path })).rejects.toThrow("+faststart");
  });
});

describe("videoFrames", () => {
  it("says how to install ffmpeg where there is none, and leaves no stream open", async () => {
    const ffmpeg = join(folder, "none", "ffmpeg");
    await expect(seen(video, { ffmpeg })).rejects.toThrow(FfmpegMissingError);
    await expect(seen(video, { ffmpeg })).rejects.toThrow(
      `"${ffmpeg}" cannot be started (ENOENT). Install it (apt install ffmpeg, brew install ffmpeg, winget install ffmpeg)`,
    );
    const source = Readable.from([Buffer.of(1)]);
    await expect(seen(source, { ffmpeg })).rejects.toMatchObject({ code: "ffmpeg-missing" });
    expect(source.destroyed).toBe(true);
  });

  it("refuses a file that is missing, a folder and what is neither path nor stream", async () => {
    const none = join(folder, "none.mp4");
    await expect(seen(none)).rejects.toThrow(`${none} cannot be read (ENOENT). Check the path.`);
    await expect(seen(folder)).rejects.toThrow(`${folder} is no plain file.`);
    expect(() => videoFrames(new Uint8Array(3) as never)).toThrow(ConfigError);
  });

  it.each([0, -1, Number.NaN, 1001])("refuses %s frames a second", (fps) => {
    expect(() => videoFrames(video, { fps })).toThrow(`fps is above 0 and at most 1000 frames a second, got ${fps}.`);
  });
});

const hasFfmpeg = spawnSync("ffmpeg", ["-version"]).status === 0;
const reason = hasFfmpeg ? "" : " (not tested: there is no ffmpeg in PATH)";
describe.skipIf(!hasFfmpeg)(`videoFrames with ffmpeg${reason}`, () => {
  // Ten frames a second whose grey is 20 times their number.
  const draw = (name: string, ...options: string[]) => {
    const file = join(folder, name);
    const source = "color=black:size=64x48:rate=10:duration=1,format=gray,geq=lum='20*N'";
    execFileSync("ffmpeg", ["-v", "error", "-y", "-f", "lavfi", "-i", source, ...options, file], { timeout: 20_000 });
    return file;
  };
  const GREYS = Array.from({ length: 10 }, (_, i) => 20 * i);

  it.each([
    ["h.mp4", ["-pix_fmt", "yuvj420p", "-crf", "1"]],
    ["v.webm", ["-c:v", "libvpx", "-b:v", "1M"]],
    ["f.mkv", ["-c:v", "ffv1"]],
    ["g.gif", []],
  ])("decodes every frame of %s once, with its time", async (name, options) => {
    const frames = await seen(draw(name, ...options));
    expect(frames.map(({ index }) => index)).toEqual([...Array(10).keys()]);
    frames.forEach(({ seconds, size, first }, i) => {
      expect(size).toEqual([48, 64]);
      expect(seconds).toBeCloseTo(i / 10, 2);
      expect(Math.abs(first - GREYS[i]!)).toBeLessThanOrEqual(16);
    });
  });

  it("gives frames of an uneven video at their own times, none twice", async () => {
    const file = draw("uneven.mkv", "-vf", "select='not(between(n,3,6))'", "-fps_mode", "vfr", "-c:v", "ffv1");
    const times = (await seen(file)).map(({ seconds }) => Number(seconds.toFixed(2)));
    expect(times).toEqual([0, 0.1, 0.2, 0.7, 0.8, 0.9]);
  });

  it.each([
    [5, 5],
    [20, 20],
  ])("gives %s frames a second", async (fps, frames) => {
    const given = await seen(draw("even.mkv", "-c:v", "ffv1"), { fps });
    expect(given).toHaveLength(frames);
    given.forEach(({ seconds }, i) => {
      expect(seconds).toBeCloseTo(i / fps, 3);
    });
  });

  it("turns a video as it says", async () => {
    const file = draw("turned.mp4");
    const bytes = await readFile(file);
    // The track's matrix: a quarter turn in 16.16, and 1 in 2.30. Options of ffmpeg for that differ between its versions.
    const matrix = bytes.indexOf("tkhd") + 44;
    expect(bytes.readUInt32BE(matrix)).toBe(0x10000);
    [0, 0x10000, 0, 0xffff0000, 0, 0, 0, 0, 0x40000000].forEach((v, i) => {
      bytes.writeUInt32BE(v, matrix + i * 4);
    });
    await writeFile(file, bytes);
    expect((await seen(file))[0]!.size).toEqual([64, 48]);
  });

  it("decodes a stream, and one that is left early", async () => {
    const file = draw("stream.mkv", "-c:v", "ffv1");
    expect(await seen(createReadStream(file))).toEqual(await seen(file));
    for await (const { index } of videoFrames(createReadStream(file))) if (index === 1) break;
  });

  it.each([
    ["no video", async () => Buffer.from("not a video".repeat(1000)), /Invalid data found when processing input/],
    ["no bytes", async () => Buffer.alloc(0), /./],
    [
      "a cut video",
      async () => (await readFile(draw("whole.mp4"))).subarray(0, 600),
      /moov atom not found|Invalid data/,
    ],
  ])("names what is wrong with %s", async (_, bytes, words) => {
    const file = join(folder, "broken.mp4");
    await writeFile(file, await bytes());
    const failure = seen(file);
    await expect(failure).rejects.toThrow(`${file} cannot be decoded, ffmpeg says: `);
    await expect(failure).rejects.toThrow(words);
    await expect(failure).rejects.toThrow(DatasetError);
  });

  it("does not take a song's cover for a video", async () => {
    const file = join(folder, "song.mp3");
    const tone = ["-f", "lavfi", "-i", "sine=duration=1", "-f", "lavfi", "-i", "color=red:size=32x32:duration=0.04"];
    const cover = ["-map", "0:a", "-map", "1:v", "-c:v", "png", "-frames:v", "1", "-disposition:v", "attached_pic"];
    execFileSync("ffmpeg", ["-v", "error", "-y", ...tone, ...cover, file], { timeout: 20_000 });
    await expect(seen(file)).rejects.toThrow(/matches no streams/);
  });
});
