// A detector: backbone, optional neck and head behind one type. It composes; what each part does is the part's own business.
import {
  type Backbone,
  ConfigError,
  type DetectionHead,
  type Detections,
  type FeaturePyramid,
  type ImageSize,
  Module,
  type Neck,
  type RouteGates,
  tidy,
} from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";

/** What a head may say of the pyramid that it takes, so that a wrong one is refused when the detector is composed. */
export interface PyramidNeeds {
  readonly strides?: readonly number[];
  readonly inChannels?: number;
}

/** The parts of a detector. */
export interface DetectorParts<Raw> {
  readonly backbone: Backbone;
  readonly neck?: Neck;
  /** A head without `settings` is checked by nobody but itself. */
  readonly head: DetectionHead<Raw> & { readonly settings?: PyramidNeeds };
}

/** What a differentiable pass gives. */
export interface DetectorOutput<Raw> {
  readonly raw: Raw;
  readonly gates?: RouteGates;
}

/** What detection gives for a batch. */
export interface DetectionBatch {
  readonly detections: Detections[];
  /** `[B * P]`: gates as decided on; absent for a static backbone. */
  readonly gates?: Float32Array;
  /** `[B]`: executed MAdds of blocks and paths; absent for a static backbone. */
  readonly madds?: Float64Array;
}

/** Backbone, neck and head as one module. It owns its parts. */
export class Detector<Raw = unknown> extends Module {
  readonly backbone: Backbone;
  readonly neck: Neck | undefined;
  readonly head: DetectionHead<Raw>;

  constructor({ backbone, neck, head }: DetectorParts<Raw>) {
    super();
    this.backbone = this.child("backbone", backbone);
    this.neck = neck && this.child("neck", neck);
    this.head = this.child("head", head);
  }

  /**
   * Maps images `[B, H, W, 3]` to the head's raw maps and the gates, both the caller's. Differentiable. `checkpoint` (default false) asks
   * backbone and head for less memory and more time where gradients are taken.
   */
  forward(
    images: tf.Tensor4D,
    { training, checkpoint = false }: { readonly training: boolean; readonly checkpoint?: boolean },
  ): DetectorOutput<Raw> {
    return tidy(() => {
      const { features, gates } = this.backbone.forward(images, { training, checkpoint });
      const raw = this.#toRaw(features, { training, checkpoint });
      return gates ? { raw, gates } : { raw };
    });
  }

  /**
   * Detects objects, skipping what the gates close.
   *
   * @param images `[B, H, W, 3]`, normalised and padded
   * @param sizes the part of each input that its image fills, and its scale
   * @returns boxes an image, and what it cost
   * @example const { detections, madds } = await detector.detect(images, sizes);
   */
  async detect(images: tf.Tensor4D, sizes: readonly ImageSize[]): Promise<DetectionBatch> {
    if (sizes.length !== images.shape[0]) {
      throw new ConfigError(`Got ${images.shape[0]} images and ${sizes.length} sizes; each image needs its own.`);
    }
    const { backbone, head } = this;
    const routed = backbone.forwardRouted
      ? await backbone.forwardRouted(images)
      : tidy(() => ({ features: backbone.forward(images, { training: false }).features }));
    let raw: Raw;
    try {
      raw = tidy(() => this.#toRaw(routed.features, { training: false, checkpoint: false }));
    } finally {
      tf.dispose(routed.features.maps as tf.Tensor4D[]);
    }
    try {
      const detections = await head.decode(raw, sizes);
      return "madds" in routed ? { detections, gates: routed.gates, madds: routed.madds } : { detections };
    } finally {
      head.disposeRaw(raw);
    }
  }

  #toRaw(features: FeaturePyramid, options: { readonly training: boolean; readonly checkpoint: boolean }): Raw {
    const through = this.neck ? this.neck.forward(features, { training: options.training }) : features;
    return this.head.forward(through, options);
  }
}

/**
 * Composes a detector out of parts, yours or ours.
 *
 * @param parts backbone, optional neck, head; the detector takes ownership
 * @returns the detector
 * @throws ConfigError when the head says in `settings` that it takes other strides or channels than those in front of it, or when
 *   strides are not ascending; the parts then stay the caller's
 * @example composeDetector({ backbone: supernet, head: createFcosHead({ ... }) })
 */
export function composeDetector<Raw>(parts: DetectorParts<Raw>): Detector<Raw> {
  const { backbone, neck, head } = parts;
  for (const [name, part] of Object.entries({ backbone, ...(neck ? { neck } : {}) })) checkPyramid(name, part);
  const { strides, channels } = neck ?? backbone;
  const { strides: wantedStrides = strides, inChannels = channels } = head.settings ?? {};
  if (wantedStrides.join() !== strides.join() || inChannels !== channels) {
    throw new ConfigError(
      `The head takes ${inChannels} channels at strides [${wantedStrides}], the ${neck ? "neck" : "backbone"} gives ` +
        `${channels} channels at strides [${strides}]; make them equal.`,
      { wanted: { strides: wantedStrides, inChannels }, got: { strides, channels } },
    );
  }
  return new Detector(parts);
}

function checkPyramid(name: string, { strides, channels }: Pick<Backbone, "strides" | "channels">): void {
  const isAscending = strides.every((stride, l) => stride > (strides[l - 1] ?? 0));
  if (strides.length > 0 && isAscending && Number.isSafeInteger(channels) && channels > 0) return;
  throw new ConfigError(
    `The ${name} should have ascending strides and a positive number of channels, got strides [${strides}] and ${channels} channels.`,
  );
}
