// The program as a process, on a model that is not trained: on wasm, on whatever is taken where no backend is named, on a video, and on
// what it cannot use.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { createRandom } from "@caddet/core";
import { buildDetector, type ModelParts, parseModelConfig, serializeDetector } from "@caddet/detector";
import { fcosFactory } from "@caddet/heads";
import { prepareBackend } from "@caddet/runtime/node";
import { supernetFactory } from "@caddet/supernet";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const program = join(root, "examples/detect-gpu/src/main.ts");
const parts: ModelParts = { backbones: [supernetFactory], heads: [fcosFactory] };
const MODEL = {
  backbone: { preset: "tiny" },
  head: { stackedConvs: 1, groups: 4, test: { scoreThreshold: 0.001 } },
};
const DATA = { shorter: 64, longer: 128, padTo: 32, mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] };
const COUNT = 7;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "caddet-gpu-"));
  await prepareBackend({ backend: "wasm" });
  const config = parseModelConfig(MODEL, parts);
  const detector = buildDetector(config, { parts, numClasses: 1, random: createRandom(1) });
  const metadata = { training: JSON.stringify({ data: DATA }) };
  const classes = [{ id: 1, name: "disc" }];
  await writeFile(join(folder, "model.safetensors"), await serializeDetector({ detector, config, classes, metadata }));
  detector.dispose();
  const random = createRandom(2);
  for (let i = 1; i <= COUNT; i++) {
    const pixels = Uint8Array.from({ length: 80 * 60 * 3 }, () => random.int(256));
    await sharp(pixels, { raw: { width: 80, height: 60, channels: 3 } }).toFile(join(folder, `${i}.png`));
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly status: number;
  readonly lines: string[];
  readonly errors: string;
}

async function run(...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, ["--conditions=@caddet/source", "--import", "tsx", program, ...args], {
    cwd: root,
  });
  const [out, errors, [status]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { status, lines: out.trim().split("\n"), errors };
}

const onModel = (...args: string[]) => run("--model", join(folder, "model.safetensors"), ...args);

it("streams a folder in batches, on the backend that is asked for", async () => {
  const { status, lines } = await onModel(folder, "--backend", "wasm", "--batch", "2", "--threshold", "0");
  expect(status).toBe(0);
  const found = lines.slice(0, -1);
  expect(found.map((line) => line.split(":")[0])).toEqual(
    Array.from({ length: COUNT }, (_, i) => join(folder, `${i + 1}.png`)),
  );
  for (const line of found) expect(line).toMatch(/: disc( disc)* \(\d+ ms\)$/);
  const result = JSON.parse(lines.at(-1)!);
  expect(result).toMatchObject({ images: COUNT, failed: 0, engine: "tfjs", peakDeviceBytes: null });
  expect(result.device).toMatch(/^wasm on /);
  expect(result.imagesPerSecond).toBeGreaterThan(0);
  expect(result.madds).toBeGreaterThan(0);
  expect(result.openPaths).toBeGreaterThan(0);
  expect(result.openPaths).toBeLessThanOrEqual(result.paths);
});

it("takes a GPU or says why it does not", async () => {
  const { status, lines, errors } = await onModel(join(folder, "1.png"));
  expect(status).toBe(0);
  const { images, device } = JSON.parse(lines.at(-1)!);
  expect(images).toBe(1);
  if (/^(tfjs-node-gpu|webgpu) on /.test(device)) {
    expect(device).not.toMatch(/swiftshader|llvmpipe/i);
  } else {
    expect(errors).toMatch(/^No GPU can be used.*^tfjs-node-gpu: .*^webgpu: /ms);
  }
});

it("goes on after an image that is broken, and counts it", async () => {
  const broken = join(folder, "broken");
  await writeFile(broken, "no image");
  const { status, lines, errors } = await onModel(
    join(folder, "1.png"),
    broken,
    join(folder, "2.png"),
    "--backend",
    "wasm",
  );
  expect(status).toBe(0);
  expect(errors).toContain(`${broken} cannot be used`);
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ images: 2, failed: 1 });
});

const noFfmpeg = spawnSync("ffmpeg", ["-version"]).status !== 0;
it.skipIf(noFfmpeg)(`streams a video${noFfmpeg ? " (skipped: no ffmpeg in PATH)" : ""}`, async () => {
  const video = join(folder, "video.mp4");
  const made = spawnSync("ffmpeg", ["-loglevel", "error", "-i", join(folder, "%d.png"), "-pix_fmt", "yuv420p", video]);
  expect(made.stderr.toString()).toBe("");
  const { status, lines } = await onModel(video, "--backend", "wasm", "--batch", "4");
  expect(status).toBe(0);
  expect(lines[0]).toMatch(/^frame 0: /);
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ images: COUNT, failed: 0 });
});

it("ends with 1 and a sentence where something is missing or unknown", async () => {
  const cases: [Promise<Ended>, string][] = [
    [run(folder), "Usage: "],
    [onModel(), "Usage: "],
    [onModel(folder, "--backend", "cuda"), "--backend should be gpu, tfjs-node-gpu,"],
    [onModel(join(folder, "none"), "--backend", "wasm"), "There is no file or folder"],
    [run("--model", join(folder, "none"), folder, "--backend", "wasm"), "cannot be read"],
  ];
  for (const [ended, sentence] of cases) {
    const { status, errors } = await ended;
    expect([status, errors]).toEqual([1, expect.stringContaining(sentence)]);
    expect(errors).not.toMatch(/^\s+at /m);
  }
});

it("is at most 80 lines", async () => {
  expect((await readFile(program, "utf8")).trimEnd().split("\n").length).toBeLessThanOrEqual(80);
});
