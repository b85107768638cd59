// A detector on TensorFlow.js' current backend, CPU or GPU. Its weights are on the device from the start; a batch is one upload of
// pixels, one small asynchronous read of gates a layer, and one of what is decoded.
import type { Backbone, Size } from "@caddet/core";
import { composeDetector, type Detector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";
import type { Engine, EngineAnswer, EngineBatch } from "./engine";

/** Options of {@link createTfjsEngine}. */
export interface TfjsEngineOptions {
  /**
   * Runs the backbone's frozen form, where it has one: the same boxes in less time. It has the weights that the detector has now;
   * what the detector learns later does not reach it. Default true.
   */
  readonly freeze?: boolean;
}

/** Images of a batch on a GPU, unless told otherwise: a launch there costs as much for one image as for several. */
const GPU_BATCH = 4;

/** Whether TensorFlow.js' current backend computes on a GPU. */
export function isGpuCurrent(): boolean {
  const name = tf.getBackend();
  if (name === "webgpu" || name === "webgl") return true;
  // The native backend says so itself; tfjs-node runs on a GPU, too, where its libtensorflow can.
  return name === "tensorflow" && (tf.backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true;
}

// A detector around a frozen backbone; neck and head are the given detector's own.
function withBackbone({ neck, head }: Detector, backbone: Backbone): Detector {
  return composeDetector({ backbone, ...(neck ? { neck } : {}), head });
}

function allOpenMadds({ routing }: Backbone): Pick<Engine, "allOpenMadds"> {
  if (!routing) return {};
  const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);
  return {
    allOpenMadds: ({ height, width }) => {
      const { node, path } = routing.cost(height, width);
      return sum(node) + sum(path);
    },
  };
}

/**
 * Makes an engine of a detector, on the backend that is current now.
 *
 * @param detector stays the caller's; dispose it after the engine
 * @param options whether the backbone is frozen
 * @returns the engine
 * @example createInferencer({ engine: createTfjsEngine(detector), classes, size })
 */
export function createTfjsEngine(detector: Detector, { freeze = true }: TfjsEngineOptions = {}): Engine {
  const frozen = freeze ? detector.backbone.freeze?.() : undefined;
  const running = frozen ? withBackbone(detector, frozen) : detector;
  const preferredBatch = isGpuCurrent() ? GPU_BATCH : 1;

  const run = async ({ values, input: { height, width }, sizes }: EngineBatch): Promise<EngineAnswer> => {
    const images = tf.tensor4d(values, [sizes.length, height, width, 3]);
    try {
      return await running.detect(images, sizes);
    } finally {
      images.dispose();
    }
  };
  const runGrey = async ({ height, width }: Size, batch: number) => {
    const sizes = Array.from({ length: batch }, () => ({ height, width }));
    await run({ values: new Float32Array(batch * height * width * 3), input: { height, width }, sizes });
  };

  return {
    name: "tfjs",
    device: tf.getBackend(),
    preferredBatch,
    numClasses: detector.head.numClasses,
    ...allOpenMadds(detector.backbone),
    run,
    warmup: async (input) => {
      await frozen?.warmup?.(input);
      await runGrey(input, 1);
      if (preferredBatch > 1) await runGrey(input, preferredBatch);
    },
    dispose: async () => frozen?.dispose(),
  };
}
