// Whether an exported file computes what its detector does: one drawn grey picture through both, and how far the answers are apart.
// Detections are compared with the nearest ones of the other side, since equal scores have no order.
import {
  CaddetError,
  type Detections,
  type ImageSize,
  normalisationTable,
  type Size,
  tidy,
  writePixels,
} from "@caddet/core";
import type { OnnxOutput } from "@caddet/onnx";
import { Supernet } from "@caddet/supernet";
import * as tf from "@tensorflow/tfjs-core";
import type { LoadedModel } from "./model-file";
import type { OnnxRuntime } from "./onnxruntime";

/** What {@link checkExport} takes. */
export interface ExportCheck {
  readonly model: LoadedModel;
  /** The exported file. */
  readonly bytes: Uint8Array;
  readonly output: OnnxOutput;
  /** `[P]`: the route of a file of mode "fixed". */
  readonly route?: Float32Array;
  /** Of the picture, pixels of the network's input. */
  readonly size: Size;
  readonly runtime: OnnxRuntime;
}

/** How far the answers are apart. */
export interface ExportDifference {
  /** The largest difference of a number, over the largest number of its kind or 1. */
  readonly largest: number;
  /** Of which output. */
  readonly of: string;
  /** How many numbers were compared. */
  readonly numbers: number;
}

type Numbers = ArrayLike<number>;
type Answers = ReadonlyMap<string, Numbers>;

// Larger differences are no rounding.
const LIMIT = 1e-3;

// A grey ramp with a dark and a bright square: enough for maps that are not flat.
function greyPicture({ height, width }: Size): Uint8Array {
  const rgb = new Uint8Array(height * width * 3);
  const within = (v: number, from: number, side: number) => v >= from * side && v < (from + 0.25) * side;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const dark = within(x, 0.2, width) && within(y, 0.2, height);
      const bright = within(x, 0.6, width) && within(y, 0.5, height);
      rgb.fill(
        dark ? 20 : bright ? 235 : 96 + Math.floor((64 * x) / width),
        (y * width + x) * 3,
        (y * width + x) * 3 + 3,
      );
    }
  }
  return rgb;
}

/** Rows `x1, y1, x2, y2, score, label`. */
function rowsOf({ boxes, scores, labels }: { boxes: Numbers; scores: Numbers; labels: Numbers }): number[][] {
  return Array.from(scores, (score, n) => [0, 1, 2, 3].map((k) => boxes[n * 4 + k]!).concat(score, labels[n]!));
}

// The farthest that a detection is from its counterpart, boxes relative to the input's longer side.
function farthest(some: readonly number[][], others: readonly number[][], side: number): number {
  const apart = (a: readonly number[], b: readonly number[]) =>
    a[5] === b[5]
      ? Math.max(...a.slice(0, 5).map((v, k) => Math.abs(v - b[k]!) / (k < 4 ? side : 1)))
      : Number.POSITIVE_INFINITY;
  const nearest = (a: readonly number[]) => Math.min(...others.map((b) => apart(a, b)));
  return some.length === 0 ? 0 : Math.max(...some.map(nearest));
}

async function ofFile({ bytes, output, size, runtime }: ExportCheck, pixels: Float32Array): Promise<Answers> {
  const session = await runtime.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  try {
    const feeds = {
      images: new runtime.Tensor("float32", pixels, [1, size.height, size.width, 3]),
      ...(output === "detections"
        ? { sizes: new runtime.Tensor("float32", Float32Array.of(size.height, size.width, 1, 1), [1, 4]) }
        : {}),
    };
    const answers = await session.run(feeds);
    return new Map(session.outputNames.map((name) => [name, answers[name]!.data as unknown as Numbers]));
  } finally {
    await session.release();
  }
}

const isMap = (value: unknown): value is tf.Tensor => value instanceof tf.Tensor;

async function mapsOf(name: string, maps: readonly tf.Tensor[]): Promise<[string, Numbers][]> {
  return Promise.all(maps.map(async (map, l): Promise<[string, Numbers]> => [`${name}_${l}`, await map.data()]));
}

async function ofDetector({ model, output, route, size }: ExportCheck, pixels: Float32Array): Promise<Answers> {
  const { backbone, head } = model.detector;
  if (!(backbone instanceof Supernet)) throw new CaddetError("export-check", "Only supernets can be checked.");
  const images = tf.tensor4d(pixels, [1, size.height, size.width, 3]);
  const routed = await backbone.forwardRouted(images, route ? { gates: route } : {}).finally(() => images.dispose());
  const maps = routed.features.maps as tf.Tensor4D[];
  try {
    const common: [string, Numbers][] = [
      ["gates", routed.gates],
      ["madds", routed.madds],
    ];
    if (output === "features") return new Map([...common, ...(await mapsOf("features", maps))]);
    const raw = tidy(() => head.forward(routed.features, { training: false }));
    try {
      if (output === "raw") {
        const lists = Object.entries(raw as Record<string, unknown>).flatMap(([name, value]) =>
          Array.isArray(value) && value.every(isMap) ? [[name, value] as const] : [],
        );
        const all = await Promise.all(lists.map(([name, list]) => mapsOf(name, list)));
        return new Map([...common, ...all.flat()]);
      }
      const sizes: ImageSize[] = [{ ...size, scaleX: 1, scaleY: 1 }];
      const [found] = (await head.decode(raw, sizes)) as [Detections];
      return new Map([...common, ...Object.entries(found)]);
    } finally {
      head.disposeRaw(raw);
    }
  } finally {
    tf.dispose(maps);
  }
}

function difference(got: Numbers, wanted: Numbers): number {
  if (got.length !== wanted.length) return Number.POSITIVE_INFINITY;
  let [largest, worst] = [1, 0];
  for (let i = 0; i < wanted.length; i++) {
    const apart = Math.abs(got[i]! - wanted[i]!);
    largest = Math.max(largest, Math.abs(wanted[i]!));
    worst = Number.isNaN(apart) ? Number.POSITIVE_INFINITY : Math.max(worst, apart);
  }
  return worst / largest;
}

/**
 * Runs one picture through an exported file and through its detector.
 *
 * @param check both, and the picture's size
 * @returns the largest difference
 * @throws CaddetError with code `export-check` when the file has other outputs, or a difference is above 1e-3
 */
export async function checkExport(check: ExportCheck): Promise<ExportDifference> {
  const { size, output, model } = check;
  const { mean, std } = model.data;
  const pixels = new Float32Array(size.height * size.width * 3);
  const place = { offset: 0, stride: size.width, flipped: false };
  writePixels(greyPicture(size), size, normalisationTable({ mean, std }), pixels, place);
  const wanted = await ofDetector(check, pixels);
  const got = await ofFile(check, pixels);
  const rows: [string, number][] = [];
  let numbers = 0;
  if (output === "detections") {
    const side = Math.max(size.height, size.width);
    const [ours, theirs] = [wanted, got].map((answers) => {
      const [boxes, scores, labels] = ["boxes", "scores", "labels"].map((name) => answers.get(name) ?? []);
      return rowsOf({ boxes: boxes!, scores: scores!, labels: labels! });
    }) as [number[][], number[][]];
    rows.push(["detections", Math.max(farthest(ours, theirs, side), farthest(theirs, ours, side))]);
    numbers += ours.length * 6;
  }
  for (const [name, values] of wanted) {
    if (output === "detections" && ["boxes", "scores", "labels"].includes(name)) continue;
    rows.push([name, difference(got.get(name) ?? [], values)]);
    numbers += values.length;
  }
  const [of, largest] = rows.reduce((a, b) => (b[1] > a[1] ? b : a));
  if (largest <= LIMIT) return { largest, of, numbers };
  throw new CaddetError(
    "export-check",
    `The exported file does not compute what its detector does: ${of} differ by ${largest.toPrecision(3)}, allowed is ${LIMIT}. ` +
      "It was not written; try another version of onnxruntime-node, and report it.",
    { of, largest },
  );
}
