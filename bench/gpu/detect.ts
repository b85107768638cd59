// examples/detect-gpu as a user runs it: a folder of JPEG files through the detector in batches, with reading, decoding and suppression.
// The row is the program's last line: images a second after the first batch, and the device memory.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { createRandom } from "@caddet/core";
import { serializeDetector } from "@caddet/detector";
import { prepareBackend } from "@caddet/runtime/node";
import sharp from "sharp";
import { buildModel, CLASSES } from "./model";
import { BACKEND, QUICK, say } from "./setting";

const [WIDTH, HEIGHT] = QUICK ? [64, 48] : [640, 480];
const COUNT = QUICK ? 4 : 96;
const BATCHES = QUICK ? [2] : [1, 4, 8];
// As the paper tests: the shorter side 800, the longer at most 1333.
const RESIZE = QUICK ? { shorter: 64, longer: 128 } : { shorter: 800, longer: 1333 };
const DATA = { ...RESIZE, padTo: 32, mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] };
const PROGRAM = "examples/detect-gpu/src/main.ts";

async function writeInputs(folder: string, model: string): Promise<void> {
  // The device is another process'.
  await prepareBackend({ backend: "wasm" });
  const { detector, config } = buildModel();
  const metadata = { training: JSON.stringify({ data: DATA }) };
  await writeFile(model, await serializeDetector({ detector, config, classes: CLASSES, metadata }));
  detector.dispose();
  const random = createRandom(2);
  for (let i = 1; i <= COUNT; i++) {
    // Blown up: the compression of pure noise would be the work.
    const [width, height] = [WIDTH / 16, HEIGHT / 16];
    const pixels = Uint8Array.from({ length: width * height * 3 }, () => random.int(256));
    const blocks = sharp(pixels, { raw: { width, height, channels: 3 } }).resize(WIDTH, HEIGHT);
    await blocks.jpeg().toFile(join(folder, `${i}.jpg`));
  }
}

async function detect(folder: string, model: string, batch: number): Promise<object> {
  const flags = ["--model", model, "--backend", BACKEND, "--batch", String(batch), folder];
  const child = spawn(process.execPath, ["--conditions=@caddet/source", "--import", "tsx", PROGRAM, ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [out, [code]] = await Promise.all([text(child.stdout), once(child, "close")]);
  const found = code === 0 ? (JSON.parse(out.trimEnd().split("\n").at(-1)!) as { images: number }) : undefined;
  if (found?.images === COUNT) return found;
  throw new Error(`detect-gpu, batch ${batch}: ended with ${code} after ${found?.images ?? 0} of ${COUNT} images`);
}

const folder = await mkdtemp(join(tmpdir(), "caddet-detect-"));
const model = join(folder, "model.safetensors");
try {
  await writeInputs(folder, model);
  for (const batch of BATCHES) {
    say({ image: `${HEIGHT}x${WIDTH}`, ...RESIZE, batch, ...(await detect(folder, model, batch)) });
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
