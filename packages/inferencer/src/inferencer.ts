// A detector that takes pixels and gives boxes in their own coordinates: resize and pad, routed network, decoding, NMS. It knows
// pixels, not files; files are under ./node.
import {
  type Backbone,
  CaddetError,
  ConfigError,
  type Detections,
  IMAGENET_NORMALISATION,
  type Normalisation,
  normalisationTable,
  paddedSize,
  resizedSize,
  ShapeError,
  type Size,
  type TargetSize,
  writePixels,
} from "@caddet/core";
import { type ClassEntry, composeDetector, type Detector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";

/** 8-bit RGB pixels. */
export interface RgbImage extends Size {
  /** `[height * width * 3]`. */
  readonly data: Uint8Array;
}

/** An image that can give its pixels at any size; what reads files decodes and resizes in one go. */
export interface ImageSource extends Size {
  /** `[size.height * size.width * 3]`: 8-bit RGB, bilinearly resized. */
  render(size: Size): Promise<Uint8Array>;
}

/** Options of {@link createInferencer}. */
export interface InferencerOptions {
  readonly detector: Detector;
  /** By class index. */
  readonly classes: readonly ClassEntry[];
  /** Bounds of the shorter and the longer side of the network's input, pixels. */
  readonly size: TargetSize;
  /** Both sides of the input are padded to multiples of this. Default 64. */
  readonly padTo?: number;
  /** Default ImageNet's. */
  readonly normalise?: Normalisation;
  /**
   * Runs the backbone's frozen form, where it has one: the same boxes in less time. It has the weights that the detector has now;
   * what the detector learns later does not reach it. `dispose()` frees it. Default true.
   */
  readonly freeze?: boolean;
}

/** What a call may be told. */
export interface DetectOptions {
  /** Smallest score, from 0 to 1. Default 0.3. */
  readonly threshold?: number;
  /** Most detections, an integer from 0. Default 100. */
  readonly maxDetections?: number;
}

/** One detected object. */
export interface DetectedObject {
  readonly label: string;
  /** The class' id in the data set that the detector was trained on. */
  readonly categoryId: number;
  /** In [0, 1]. */
  readonly score: number;
  /** `x1, y1, x2, y2` in source pixels. */
  readonly box: readonly [number, number, number, number];
}

/** What one image gave. */
export interface InferenceResult {
  /** Best first. */
  readonly objects: readonly DetectedObject[];
  readonly source: Size;
  /** The network's input, padding included. */
  readonly input: Size;
  /** Executed MAdds of blocks and paths; absent for a static backbone. */
  readonly madds?: number;
  /** `[P]`, gates as decided on; absent for a static backbone. */
  readonly gates?: Float32Array;
  /** Wall time from pixels to boxes, milliseconds. */
  readonly ms: number;
}

/** A detector on pixels. */
export interface Inferencer {
  /** Detects objects in pixels or in an image that can give them. */
  detect(image: RgbImage | ImageSource, options?: DetectOptions): Promise<InferenceResult>;
  /** Makes the first image as fast as those that follow. `size` is that of the images to come, in their own pixels. */
  warmup(size: Size): Promise<void>;
  /** Frees what the inferencer made; calls under way finish first. The detector stays the caller's. */
  dispose(): void;
}

// Pixels as a source; resized on the device.
function sourceOf({ height, width, data }: RgbImage): ImageSource {
  if (height < 1 || width < 1 || data.length !== height * width * 3) {
    throw new ShapeError(
      `An image of ${height} x ${width} pixels needs ${height * width * 3} RGB bytes, got ${data.length}.`,
      { height, width },
    );
  }
  const render = async (size: Size) => {
    if (size.height === height && size.width === width) return data;
    const pixels = tf.tidy(() => {
      const source = tf.tensor3d(data, [height, width, 3], "float32");
      return tf.round(tf.image.resizeBilinear(source, [size.height, size.width], false, true));
    });
    try {
      return Uint8Array.from(await pixels.data());
    } finally {
      pixels.dispose();
    }
  };
  return { height, width, render };
}

function checkedOptions({ threshold = 0.3, maxDetections = 100 }: DetectOptions): Required<DetectOptions> {
  if (!(threshold >= 0 && threshold <= 1)) {
    throw new ConfigError(`threshold is a score from 0 to 1, got ${threshold}.`, { threshold });
  }
  if (!(Number.isInteger(maxDetections) && maxDetections >= 0)) {
    throw new ConfigError(`maxDetections is an integer from 0, got ${maxDetections}.`, { maxDetections });
  }
  return { threshold, maxDetections };
}

async function renderChecked(source: ImageSource, size: Size): Promise<Uint8Array> {
  const rgb = await source.render(size);
  const bytes = size.height * size.width * 3;
  if (rgb.length === bytes) return rgb;
  throw new ShapeError(
    `render() of the image gave ${rgb.length} bytes for ${size.height} x ${size.width} pixels, expected ${bytes}: RGB without alpha.`,
    { height: size.height, width: size.width },
  );
}

function objectsOf(
  { boxes, scores, labels }: Detections,
  classes: readonly ClassEntry[],
  { threshold, maxDetections }: Required<DetectOptions>,
): DetectedObject[] {
  const kept = [...scores.keys()].filter((i) => scores[i]! >= threshold).slice(0, maxDetections);
  return kept.map((i) => {
    const entry = classes[labels[i]!];
    if (!entry) {
      throw new ConfigError(
        `The detector found class ${labels[i]}, the class table has ${classes.length}. Pass the table that it was trained with.`,
        { label: labels[i], classes: classes.length },
      );
    }
    const { id, name } = entry;
    const [x1, y1, x2, y2] = boxes.subarray(i * 4, i * 4 + 4) as unknown as [number, number, number, number];
    return { label: name, categoryId: id, score: scores[i]!, box: [x1, y1, x2, y2] };
  });
}

// A detector around a frozen backbone; neck and head are the given detector's own.
function withBackbone({ neck, head }: Detector, backbone: Backbone): Detector {
  return composeDetector({ backbone, ...(neck ? { neck } : {}), head });
}

/**
 * Makes an inferencer.
 *
 * @param options detector (it stays the caller's), classes, and how images are prepared: as for its training
 * @returns the inferencer; dispose it when done, before the detector
 * @throws ConfigError when `normalise` is not usable; `detect` throws ShapeError when the pixels do not fit the size, or there are
 *   none, ConfigError when an option is out of range or the class table too short, and CaddetError with code `disposed` after `dispose()`
 * @example await createInferencer({ detector, classes, size: { shorter: 600, longer: 1000 } }).detect(image)
 */
export function createInferencer(options: InferencerOptions): Inferencer {
  const { classes, size: target, padTo = 64, freeze = true } = options;
  const table = normalisationTable(options.normalise ?? IMAGENET_NORMALISATION);
  const frozen = freeze ? options.detector.backbone.freeze?.() : undefined;
  const detector = frozen ? withBackbone(options.detector, frozen) : options.detector;
  let running = 0;
  let isDisposed = false;
  const release = () => {
    if (isDisposed && running === 0) frozen?.dispose();
  };

  const detectOn = async (image: RgbImage | ImageSource, detectOptions: DetectOptions): Promise<InferenceResult> => {
    const started = performance.now();
    const wanted = checkedOptions(detectOptions);
    const source = "render" in image ? image : sourceOf(image);
    const size = resizedSize(source, target);
    const input = paddedSize(size, padTo);
    const values = new Float32Array(input.height * input.width * 3);
    const place = { offset: 0, stride: input.width, flipped: false };
    writePixels(await renderChecked(source, size), size, table, values, place);
    const batch = tf.tensor4d(values, [1, input.height, input.width, 3]);
    try {
      const { detections, madds, gates } = await detector.detect(batch, [size]);
      return {
        objects: objectsOf(detections[0]!, classes, wanted),
        source: { height: source.height, width: source.width },
        input,
        ...(madds && gates ? { madds: madds[0]!, gates } : {}),
        ms: performance.now() - started,
      };
    } finally {
      batch.dispose();
    }
  };
  const whileOpen = async <T>(run: () => Promise<T>): Promise<T> => {
    if (isDisposed) throw new CaddetError("disposed", "This inferencer was disposed; make another one.");
    running++;
    try {
      return await run();
    } finally {
      running--;
      release();
    }
  };

  return {
    detect: (image, detectOptions = {}) => whileOpen(() => detectOn(image, detectOptions)),
    warmup: ({ height, width }) =>
      whileOpen(async () => {
        const bytes = height > 0 && width > 0 ? height * width * 3 : 0;
        const grey = sourceOf({ height, width, data: new Uint8Array(bytes) });
        await frozen?.warmup?.(paddedSize(resizedSize(grey, target), padTo));
        await detectOn(grey, {});
      }),
    dispose: () => {
      if (isDisposed) return;
      isDisposed = true;
      release();
    },
  };
}
