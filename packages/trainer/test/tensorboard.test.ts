// Event files: the frame and its checksums by known values; what Python's tensorboard reads in them, where that is installed (python3, or
// the Python that CADDET_TEST_PYTHON names).
import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StepRecord } from "../src";
import { runFolder, tensorboardHook } from "../src/node";
import { crc32c, frameRecord } from "../src/tensorboard/record-file";
import type { Trainer } from "../src/trainer";

const PYTHON = process.env.CADDET_TEST_PYTHON ?? "python3";

function hasTensorboard(): boolean {
  try {
    execFileSync(PYTHON, ["-c", "import tensorboard"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVQIW2P4z8BQDwAEgAF/QualzQAAAABJRU5ErkJggg==",
  "base64",
);

const READER = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0, "images": 0})
events.Reload()
tags = events.Tags()
def histogram(e):
    h = e.histogram_value
    return [e.step, h.num, h.min, h.max, h.sum, list(h.bucket)]
def image(e):
    return [e.step, e.width, e.height, e.encoded_image_string.hex()]
print(json.dumps({
    "scalars": {t: [[e.step, e.value] for e in events.Scalars(t)] for t in tags["scalars"]},
    "histograms": {t: [histogram(e) for e in events.Histograms(t)] for t in tags["histograms"]},
    "images": {t: [image(e) for e in events.Images(t)] for t in tags["images"]},
}))
`;

interface Read {
  readonly scalars: Record<string, [number, number][]>;
  readonly histograms: Record<string, [number, number, number, number, number, number[]][]>;
  readonly images: Record<string, [number, number, number, string][]>;
}

const recordAt = (step: number, total: number): StepRecord => ({
  step,
  epoch: 0,
  learningRate: 0.01,
  loss: { total, box: total / 4 },
  gradientNorm: 2,
  imagesPerSecond: 8,
  dataShare: 0.25,
  madds: { mean: 5, min: 4, max: 6, std: 1 },
  openPaths: 0.5,
  tensors: 100,
  imageIds: [1],
});

const trainerAt = (step: number) => ({ position: { step, epoch: 0, batch: step } }) as Trainer;

let path: string;

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "caddet-tensorboard-"));
});
afterEach(() => rm(path, { recursive: true, force: true }));

// Steps from..to, with gates at each second and a picture at the end.
async function write(from: number, to: number, total: (step: number) => number): Promise<void> {
  const images = async () => [{ tag: "detections/7", png: PIXEL, width: 1, height: 1 }];
  const hook = tensorboardHook(runFolder(path), { gatesEverySteps: 2, images });
  await hook.onStart!(trainerAt(from - 1));
  for (let step = from; step <= to; step++) {
    await hook.onGates!(Float32Array.of(0, 0, 0.5, 1), 0, trainerAt(step));
    await hook.onStep!(recordAt(step, total(step)), trainerAt(step));
  }
  await hook.onEvaluation!({ AP: 0.25 }, trainerAt(to));
  await hook.onEpoch!(0, trainerAt(to));
}

describe("records", () => {
  it("have the CRC-32C of RFC 3720", () => {
    expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
  });

  it("are framed by their length", () => {
    const bytes = frameRecord(Uint8Array.of(7, 8));
    expect(bytes.length).toBe(18);
    expect(new DataView(bytes.buffer).getBigUint64(0, true)).toBe(2n);
    expect([...bytes.subarray(12, 14)]).toEqual([7, 8]);
  });
});

describe("tensorboardHook", () => {
  it("writes whole records into one file a start", async () => {
    await write(1, 4, (step) => 1 / step);
    const folder = join(path, "tensorboard");
    const [name, ...others] = await readdir(folder);
    expect(others).toEqual([]);
    const bytes = await readFile(join(folder, name!));
    const sizes: number[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = Number(bytes.readBigUInt64LE(at));
      expect(Buffer.from(frameRecord(bytes.subarray(at + 12, at + 12 + size)))).toEqual(
        bytes.subarray(at, at + 16 + size),
      );
      sizes.push(size);
      at += 16 + size;
    }
    expect(sizes.length).toBe(2 + 4 + 2 + 1 + 1); // version, start, steps, gates, evaluation, picture
  });

  it("fails by name where nothing can be written", async () => {
    const hook = tensorboardHook(runFolder(path));
    await hook.onStart!(trainerAt(0));
    await rm(path, { recursive: true });
    await expect(hook.onStep!(recordAt(1, 1), trainerAt(1))).rejects.toThrow(/could not be written/);
  });

  it.skipIf(!hasTensorboard())(
    "is read by Python's tensorboard, also after a resume",
    async () => {
      await write(1, 4, (step) => 1 / step);
      await write(3, 5, (step) => step); // steps 3 and 4 are done again
      const { stdout } = await promisify(execFile)(PYTHON, ["-c", READER, join(path, "tensorboard")]);
      const { scalars, histograms, images } = JSON.parse(stdout) as Read;
      expect(scalars["loss/total"]).toEqual([
        [1, 1],
        [2, 0.5],
        [3, 3],
        [4, 4],
        [5, 5],
      ]);
      expect(scalars["loss/box"]![0]).toEqual([1, 0.25]);
      expect(scalars["evaluation/AP"]!.at(-1)).toEqual([5, 0.25]);
      expect(Object.keys(scalars).sort()).toEqual([
        "evaluation/AP",
        "loss/box",
        "loss/total",
        "madds/max",
        "madds/mean",
        "madds/min",
        "routes/open_paths",
        "speed/data_share",
        "speed/images_per_second",
        "train/gradient_norm",
        "train/learning_rate",
      ]);
      const [step, count, least, most, sum, buckets] = histograms["routes/gates"]![0]!;
      expect([step, count, least, most, sum]).toEqual([2, 4, 0, 1, 1.5]);
      expect(buckets.reduce((a, b) => a + b)).toBe(4);
      expect(images["detections/7"]!.at(-1)).toEqual([5, 1, 1, PIXEL.toString("hex")]);
    },
    30_000,
  );
});
