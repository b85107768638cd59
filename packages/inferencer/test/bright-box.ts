// A detector that finds the bright rectangle of a picture by looking: what it says of an image can be known beforehand, so that sizes
// and coordinates can be checked. With nothing of @caddet but core and detector.
import {
  type Backbone,
  type BackboneOutput,
  type DetectionHead,
  type Detections,
  type FrozenBackbone,
  type ImageSize,
  Module,
  type RoutedOutput,
  type Size,
} from "@caddet/core";
import { composeDetector, type Detector } from "@caddet/detector";
import * as tf from "@tensorflow/tfjs-core";

/** The class table of {@link brightBoxDetector}. */
export const CLASSES = [
  { id: 10, name: "decoy" },
  { id: 20, name: "bright" },
];

// Between the grey and the white of the pictures, in normalised red.
const BRIGHT = 0.8;

/** Passes images on; static. */
class GlassBackbone extends Module implements Backbone {
  readonly strides = [1];
  readonly channels = 3;

  forward(images: tf.Tensor4D): BackboneOutput {
    return { features: { maps: [tf.clone(images)], strides: this.strides } };
  }
}

/** Passes images on at the cost of one MAdd a pixel, through one open and one closed path. */
class RoutedGlassBackbone extends GlassBackbone {
  async forwardRouted(images: tf.Tensor4D): Promise<RoutedOutput> {
    const [batch, height, width] = images.shape;
    return {
      features: this.forward(images).features,
      gates: Float32Array.from({ length: batch * 2 }, (_, i) => (i % 2 === 0 ? 0.75 : 0)),
      madds: new Float64Array(batch).fill(height * width),
    };
  }
}

/** The frozen form of a glass backbone: the same images, times a one of its own. */
class FrozenGlassBackbone extends RoutedGlassBackbone implements FrozenBackbone {
  readonly warmedUp: Size[] = [];
  readonly #one: tf.Variable;

  constructor() {
    super();
    this.#one = this.buffer("one", tf.ones([1]));
  }

  override forward(images: tf.Tensor4D): BackboneOutput {
    return { features: { maps: [tf.mul(images, this.#one)], strides: this.strides } };
  }

  async warmup(size: Size): Promise<void> {
    this.warmedUp.push(size);
  }
}

/** Keeps what it was frozen to. */
export class FreezableGlassBackbone extends RoutedGlassBackbone {
  readonly frozen: FrozenGlassBackbone[] = [];

  freeze(): FrozenBackbone {
    const frozen = new FrozenGlassBackbone();
    this.frozen.push(frozen);
    return frozen;
  }
}

function brightBox(values: Float32Array, height: number, width: number): number[] {
  const box: [number, number, number, number] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (values[(y * width + x) * 3]! < BRIGHT) continue;
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x + 1);
      box[3] = Math.max(box[3], y + 1);
    }
  }
  return box;
}

/** Boxes the bright pixels with score 0.9, and says of two corners that they were objects, with 0.5 and 0.2. */
class BrightBoxHead extends Module implements DetectionHead<tf.Tensor4D> {
  readonly numClasses = 2;

  forward({ maps }: { readonly maps: readonly tf.Tensor4D[] }): tf.Tensor4D {
    return tf.clone(maps[0]!);
  }

  loss(): never {
    throw new Error("it is not trained");
  }

  async decode(raw: tf.Tensor4D, sizes: readonly ImageSize[]): Promise<Detections[]> {
    const [, height, width] = raw.shape;
    const values = await raw.data<"float32">();
    return sizes.map(({ scaleX = 1, scaleY = 1 }, b) => {
      const own = values.subarray(b * height * width * 3, (b + 1) * height * width * 3);
      const inSource = brightBox(own, height, width).map((v, i) => v / (i % 2 === 0 ? scaleX : scaleY));
      return {
        boxes: Float32Array.of(...inSource, 0, 0, 1, 1, 1, 1, 2, 2),
        scores: Float32Array.of(0.9, 0.5, 0.2),
        labels: Int32Array.of(1, 0, 0),
      };
    });
  }

  disposeRaw(raw: tf.Tensor4D): void {
    raw.dispose();
  }
}

/** The detector; static, with routes, or around a backbone. */
export function brightBoxDetector(kind: "static" | "routed" | Backbone): Detector {
  const backbone = kind === "static" ? new GlassBackbone() : kind === "routed" ? new RoutedGlassBackbone() : kind;
  return composeDetector({ backbone, head: new BrightBoxHead() });
}

/** A grey picture with a white rectangle `[x1, y1, x2, y2]`. */
export function picture(height: number, width: number, [x1, y1, x2, y2]: readonly number[]) {
  const data = new Uint8Array(height * width * 3).fill(60);
  for (let y = y1!; y < y2!; y++) data.fill(255, (y * width + x1!) * 3, (y * width + x2!) * 3);
  return { height, width, data };
}
