// Small real detectors: a supernet whose weights are moved from their start, so that paths close, differently for each image, and
// something is found; as detector, and as the files that training and export write. And pictures for them.
import { createRandom, type Random, readState } from "@caddet/core";
import { buildDetector, type Detector, type ModelParts, parseModelConfig, serializeDetector } from "@caddet/detector";
import { fcosFactory, retinaFactory } from "@caddet/heads";
import { exportOnnx, type OnnxOptions } from "@caddet/onnx";
import { supernetFactory } from "@caddet/supernet";
import type { Engine, EngineBatch, RgbImage } from "../src";

export const PARTS: ModelParts = { backbones: [supernetFactory], heads: [fcosFactory, retinaFactory] };
export const CLASSES = [
  { id: 3, name: "disc" },
  { id: 5, name: "square" },
  { id: 8, name: "bar" },
];
/** What a checkpoint and an exported file say of their images. */
export const DATA = { shorter: 64, longer: 96, padTo: 32, mean: [120, 110, 100], std: [60, 55, 50] };

// Few detections, so that no two scores are equal but for rounding.
const TEST = { scoreThreshold: 0.3, maxPerImage: 20 };
export const CONFIG = parseModelConfig(
  {
    backbone: { preset: "tiny" },
    head: { stackedConvs: 1, groups: 4, channels: 16, test: TEST },
  },
  PARTS,
);

function moved(name: string, random: Random): ((value: number) => number) | undefined {
  if (name.endsWith("runningVariance")) return () => 0.5 + random.next();
  if (name.endsWith("router.gate.weight")) return () => 1.5 * random.normal();
  if (name.endsWith("router.gate.bias")) return () => 0.2 + random.normal();
  if (name.endsWith("norm.weight")) return () => 0.5 + random.next();
  if (name === "head.classes.bias") return () => -1.5;
  if (name === "head.distances.bias") return () => 2;
  if (name === "head.classes.weight") return (v) => 60 * v;
  if (name.startsWith("head.") && name.endsWith("weight")) return (v) => 5 * v;
  return undefined;
}

/** A detector that finds something; the caller's. */
export async function movedDetector(seed = 3): Promise<Detector> {
  const random = createRandom(seed);
  const detector = buildDetector(CONFIG, { parts: PARTS, numClasses: CLASSES.length, random });
  const state = await readState(detector);
  for (const [name, { data }] of state) {
    const move = moved(name, random);
    if (move) for (let i = 0; i < data.length; i++) data[i] = move(Number(data[i]));
  }
  detector.loadStateDict(state);
  return detector;
}

/** The file of a detector, as training writes it; `null` leaves out how it was trained. */
export function checkpointOf(detector: Detector, training: unknown = { data: DATA }): Promise<Uint8Array<ArrayBuffer>> {
  const metadata: Record<string, string> = training === null ? {} : { training: JSON.stringify(training) };
  return serializeDetector({ detector, config: CONFIG, classes: CLASSES, metadata });
}

/** The file of a detector, as the command line exports it. */
export function exportedOf(detector: Detector, options: OnnxOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  return exportOnnx(detector, { classes: CLASSES, metadata: { preparation: JSON.stringify(DATA) }, ...options });
}

/** A picture of noise on a colour, with a bright bar: routes and boxes differ from one to the other. */
export function noise(height: number, width: number, seed: number): RgbImage {
  const random = createRandom(seed);
  const colour = [random.int(200), random.int(200), random.int(200)];
  const data = Uint8Array.from({ length: height * width * 3 }, (_, i) => colour[i % 3]! + random.int(56));
  const rows = Math.max(1, height >> 2);
  data.fill(255, 0, rows * width * 3);
  return { height, width, data };
}

/** A batch of such pictures as an engine takes it. */
export function noiseBatch(batch: number, height: number, width: number, seed: number): EngineBatch {
  const random = createRandom(seed);
  const pixels = height * width * 3;
  const colours = Float32Array.from({ length: batch * 3 }, () => 2 * random.normal());
  const values = Float32Array.from({ length: batch * pixels }, (_, i) => {
    return colours[3 * Math.floor(i / pixels) + (i % 3)]! + random.normal();
  });
  const sizes = Array.from({ length: batch }, (_, b) => ({
    height: Math.max(1, height - 7 * b),
    width,
    scaleX: 1 + b / 4,
    scaleY: 2,
  }));
  return { values, input: { height, width }, sizes };
}

/** What a {@link fakeEngine} was asked for. */
export interface FakeEngine extends Engine {
  /** For each batch its input and the first value of each image. */
  readonly batches: { readonly input: string; readonly images: readonly number[] }[];
  readonly disposed: () => boolean;
}

/** An engine that counts batches and answers when it is let: `gate` is awaited by each batch. */
export function fakeEngine(
  gate: (batch: EngineBatch) => Promise<void> = async () => {},
  { preferredBatch = 1, madds = ({ height, width }: { height: number; width: number }) => height * width } = {},
): FakeEngine {
  const batches: FakeEngine["batches"] = [];
  let isDisposed = false;
  return {
    name: "fake",
    device: "nothing",
    preferredBatch,
    numClasses: CLASSES.length,
    batches,
    disposed: () => isDisposed,
    run: async (batch) => {
      const { input, sizes, values } = batch;
      const first = sizes.map((_, b) => values[b * input.height * input.width * 3]!);
      batches.push({ input: `${input.height}x${input.width}`, images: first });
      await gate(batch);
      return {
        // The score of what is found is the image's first value, so that each answer can be told from the others.
        detections: first.map((value) => ({
          boxes: Float32Array.of(0, 0, 1, 1),
          scores: Float32Array.of(value),
          labels: Int32Array.of(1),
        })),
        gates: new Float32Array(sizes.length * 2).fill(0.5),
        madds: new Float64Array(sizes.length).fill(madds(input)),
      };
    },
    warmup: async () => {},
    dispose: async () => {
      isDisposed = true;
    },
  };
}
