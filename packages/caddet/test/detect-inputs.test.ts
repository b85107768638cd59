// Files, folders, globs, lists, stdin and videos, through the command line.
import { execFile } from "node:child_process";
import { copyFile, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createOutput, main } from "../src";
import { type Called, call, errorOf } from "./call";
import { writeModel } from "./drawn-model";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
let model: string;
const stdin = Object.getOwnPropertyDescriptor(process, "stdin")!;

beforeAll(async () => {
  set = await drawSet();
  model = await writeModel(set.path("model.safetensors"));
  await mkdir(join(set.folder, "val", "deep"));
  await copyFile(join(set.folder, "train", "1.jpg"), join(set.folder, "val", "deep", "10.jpg"));
  await copyFile(join(set.folder, "train", "2.jpg"), join(set.folder, "val", "deep", "9.jpg"));
  await writeFile(join(set.folder, "val", "notes.txt"), "no image");
});
afterEach(() => {
  Object.defineProperty(process, "stdin", stdin);
});
afterAll(() => set.remove());

const val = (...names: string[]) => join(set.folder, "val", ...names);
const detect = (...args: string[]) => call("detect", "--run", model, "--engine", "onnx", "--json", ...args);
const withStdin = (...chunks: (string | Uint8Array)[]) =>
  Object.defineProperty(process, "stdin", { value: Readable.from(chunks), configurable: true });

interface Line {
  readonly image: string;
  readonly error?: string;
  readonly width: number;
  readonly frame?: number;
}
const linesOf = ({ out }: Called) =>
  out
    .trimEnd()
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
const imagesOf = (called: Called) => linesOf(called).map(({ image }) => image);

describe("caddet detect on inputs", () => {
  it("takes files, folders and globs in their order, each file once, folders and globs sorted", async () => {
    const called = await detect(val("3.jpg"), val(), val("deep", "*.jpg"), val("3.jpg"));
    expect(called.code, called.err).toBe(0);
    const names = ["3.jpg", "1.jpg", "2.jpg", "4.jpg", "deep/9.jpg", "deep/10.jpg"];
    expect(imagesOf(called)).toEqual(names.map((name) => val(name)));
    expect(called.json()).toMatchObject({ images: 6, failed: 0, engine: "onnx", backend: null });
    expect(called.err).toContain("1 files in folders are no images and were left out\n");
  });

  it("looks into folders within folders when asked to", async () => {
    const called = await detect(val(), "--recursive");
    expect(imagesOf(called)).toHaveLength(6);
    expect(imagesOf(await detect(val()))).toHaveLength(4);
  });

  it("goes on at what is missing, matches nothing or is broken, names it and counts it", async () => {
    await writeFile(set.path("broken.jpg"), "not an image");
    const whole = await readFile(val("1.jpg"));
    await writeFile(set.path("cut.jpg"), whole.subarray(0, whole.length / 2));
    const called = await detect(
      set.path("none.jpg"),
      val("1.jpg"),
      set.path("*.bmp"),
      set.path("broken.jpg"),
      set.path("cut.jpg"),
      val("2.jpg"),
    );
    expect(called.code, called.err).toBe(0);
    expect(called.json()).toMatchObject({ images: 2, failed: 4 });
    const failures = linesOf(called).filter(({ error }) => error !== undefined);
    expect(failures.map(({ image }) => image).sort()).toEqual(
      ["*.bmp", "broken.jpg", "cut.jpg", "none.jpg"].map((name) => set.path(name)),
    );
    expect(called.err).toContain(`not detected: ${set.path("none.jpg")}: There is no file or folder`);
    expect(called.err).toContain(`not detected: ${set.path("*.bmp")}: No image in`);
    expect(called.err).toMatch(/^not detected: .*broken\.jpg: .*unsupported image format/m);
    expect(called.err).toMatch(/^not detected: .*cut\.jpg: .*cannot be used: /m);
    expect(called.err).not.toContain("error: ");
  });

  it("fails when all failed, and with --strict when one did", async () => {
    const none = await detect(set.path("none.jpg"), set.path("*.bmp"));
    expect(none.json()).toMatchObject({ images: 0, failed: 2, ms: { median: null }, madds: null });
    expect(errorOf(none)).toBe("None of the images could be used (2 failed). The lines above say why.");
    const one = await detect(set.path("none.jpg"), val("1.jpg"), "--strict");
    expect(one.json()).toMatchObject({ images: 1, failed: 1 });
    expect(errorOf(one)).toBe("1 images failed, and --strict was given. The lines above say why.");
  });

  it("reads one image from stdin", async () => {
    const bytes = await readFile(val("1.jpg"));
    withStdin(bytes.subarray(0, 100), bytes.subarray(100));
    const called = await detect("-");
    expect(called.code, called.err).toBe(0);
    expect(linesOf(called)).toMatchObject([{ image: "stdin", width: 64, height: 64 }]);
  });

  it.each([
    ["nothing", "", /stdin: .*has no bytes/],
    ["no image", "text", /stdin: .*unsupported image format/],
  ])("says so of stdin with %s", async (_, text, message) => {
    withStdin(...(text === "" ? [] : [Buffer.from(text)]));
    const called = await detect("-");
    expect(called.code).toBe(1);
    expect(called.err).toMatch(message);
  });

  it("reads names from stdin, a line each, whatever signs are in them", async () => {
    const odd = set.path("[a] *{b}.jpg");
    await copyFile(val("1.jpg"), odd);
    withStdin(`${val("2.jpg")}\n\n${odd}\n${set.path("none.jpg")}\n${val("2.jpg")}`);
    const called = await detect("-", "--list");
    expect(called.code, called.err).toBe(0);
    expect(imagesOf(called).sort()).toEqual([val("2.jpg"), odd, set.path("none.jpg")].sort());
    expect(called.json()).toMatchObject({ images: 2, failed: 1 });
  });

  it("shows a bar on a terminal, and takes it away in the end", async () => {
    let shown = "";
    const write = (text: string) => {
      shown += text;
    };
    const output = createOutput({ write: () => {} }, { isTTY: true, columns: 100, write });
    expect(await main(["detect", val(), "--run", model, "--engine", "onnx"], output)).toBe(0);
    expect(shown).toContain("] 1/4 images  ");
    expect(shown).toContain("] 4/4 images  ");
    expect(shown.endsWith("\r\u001b[2K")).toBe(true);
  });

  it("keeps control characters of names off the terminal", async () => {
    const evil = set.path("evil\u001b[31m.jpg");
    await symlink(val("1.jpg"), evil);
    const { out, err } = await call("detect", evil, set.path("\u001b[2Jnone.jpg"), "--run", model, "--engine", "onnx");
    expect(out + err).not.toContain("\u001b");
    expect(out).toContain("evil\u{FFFD}[31m.jpg: ");
  });
});

describe("caddet detect on videos", () => {
  it("names a video that is missing", async () => {
    const called = await detect(set.path("none.mp4"));
    expect(called.code).toBe(1);
    expect(called.err).toMatch(/^not detected: .*none\.mp4: /m);
  });

  it("takes the frames of a video", async ({ skip }) => {
    const ffmpeg = promisify(execFile)("ffmpeg", ["-version"]);
    if (
      !(await ffmpeg.then(
        () => true,
        () => false,
      ))
    )
      skip("ffmpeg is not installed");
    const video = set.path("clip.mp4");
    const source = ["-f", "lavfi", "-i", "testsrc=size=96x64:rate=10:duration=1"];
    await promisify(execFile)("ffmpeg", ["-loglevel", "error", ...source, "-pix_fmt", "yuv420p", video]);
    const all = await detect(video);
    expect(all.code, all.err).toBe(0);
    expect(linesOf(all).map(({ image }) => image)).toEqual(Array.from({ length: 10 }, (_, n) => `${video} frame ${n}`));
    expect(linesOf(all)[3]).toMatchObject({ index: 3, seconds: expect.closeTo(0.3), width: 96, height: 64 });
    const some = await detect(video, "--fps", "2", "--out", set.path("frames"));
    expect(some.json()).toMatchObject({ images: 2, failed: 0 });
    expect(linesOf(some)).toMatchObject([{ drawing: join(set.path("frames"), "clip.mp4-000000.jpg") }, {}]);
  });
});
