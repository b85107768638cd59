// The RetinaNet head, its targets, loss and boxes against mmdetection; see fixtures/README.md.
import { createRandom, type GroundTruth, type HeadLoss, type ImageSize, type StoredArray } from "@caddet/core";
import {
  assignRetinaTargets,
  baseAnchors,
  createRetinaHead,
  levelAnchors,
  type MmdetFlavour,
  type RetinaHead,
  type RetinaHeadOptions,
  type RetinaRaw,
  retinaFromTorch,
} from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import {
  expectClose,
  expectDetections,
  fromMap,
  type GoldenArray,
  type GoldenDetections,
  golden,
  toMap,
} from "./golden";

interface GoldenConfig {
  readonly num_classes: number;
  readonly strides: number[];
  readonly ignore_iof_thr: number;
}

interface GoldenLosses {
  readonly loss_cls: number[];
  readonly loss_bbox: number[];
}

interface GoldenExpectation {
  readonly losses: GoldenLosses;
  readonly grad_sum_abs?: Record<keyof GoldenMaps, number[]>;
  readonly detections: { readonly rescale_false: GoldenDetections[]; readonly rescale_true: GoldenDetections[] };
}

interface GoldenMaps {
  readonly cls_scores: GoldenArray[];
  readonly bbox_preds: GoldenArray[];
}

interface GoldenTruths {
  readonly gt_bboxes: number[][][];
  readonly gt_labels: number[][];
  readonly gt_bboxes_ignore?: number[][][] | null;
}

interface GoldenImage {
  readonly img_shape: number[];
  readonly pad_shape: number[];
  readonly scale_factor: number[];
}

interface GoldenTargets {
  readonly config: GoldenConfig;
  readonly img_metas: GoldenImage[];
  readonly map_sizes: [number, number][];
  readonly inputs: GoldenTruths;
  readonly expected: {
    readonly base_anchors: number[][][];
    readonly anchors?: GoldenArray[];
    readonly positives: { readonly inds: number[]; readonly labels: number[]; readonly bbox_targets: number[][] }[];
    readonly zero_weight_inds: number[][];
    readonly num_total_pos: number;
  };
}

interface GoldenCase {
  readonly config: GoldenConfig;
  readonly img_metas: GoldenImage[];
  readonly test_cfg: {
    readonly nms_pre: number;
    readonly score_thr: number;
    readonly nms: { readonly iou_threshold: number };
    readonly max_per_img: number;
  };
  readonly inputs: GoldenMaps & GoldenTruths;
  readonly expected: GoldenExpectation;
  readonly expected_mmdet_2_3_0: GoldenExpectation;
}

interface GoldenForward {
  readonly config: GoldenConfig;
  readonly feat_channels: number;
  readonly stacked_convs: number;
  readonly inputs: GoldenTruths & {
    readonly features: GoldenArray[];
    readonly params: Record<string, GoldenArray>;
  };
  readonly expected: {
    /** Without the finest level. */
    readonly train_out: Record<keyof GoldenMaps, (GoldenArray | null)[]>;
    readonly losses: GoldenLosses;
    readonly param_grads: Record<string, GoldenArray>;
  };
}

const TARGET_CASES = [
  "01-default-hand",
  "02-default-random",
  "03-ignore",
  "04-ignore-default",
  "05-iou-ties",
  "06-zero-iou-gt",
  "07-80-classes",
  "08-clip-and-nms-pre",
  "09-small-gts",
];
const CASES = ["03-ignore", "06-zero-iou-gt", "08-clip-and-nms-pre", "09-small-gts"];

const optionsOf = (
  config: GoldenConfig,
  flavour: MmdetFlavour,
): RetinaHeadOptions & { strides: readonly number[] } => ({
  inChannels: 4,
  channels: 4,
  numClasses: config.num_classes,
  strides: config.strides,
  assign: { ignoreIof: config.ignore_iof_thr },
  flavour,
  random: createRandom(0),
});

// Boxes to ignore become crowds.
function truthsOf({ gt_bboxes, gt_labels, gt_bboxes_ignore }: GoldenTruths): GroundTruth[] {
  return gt_bboxes.map((boxes, i) => {
    const crowds = gt_bboxes_ignore?.[i] ?? [];
    return {
      boxes: Float32Array.from([...boxes, ...crowds].flat()),
      labels: Int32Array.from([...gt_labels[i]!, ...crowds.map(() => 0)]),
      crowd: Uint8Array.from([...boxes.map(() => 0), ...crowds.map(() => 1)]),
    };
  });
}

const paddedOf = (images: readonly GoldenImage[]): ImageSize[] =>
  images.map(({ pad_shape }) => ({ height: pad_shape[0]!, width: pad_shape[1]! }));

const rawOf = ({ cls_scores, bbox_preds }: GoldenMaps): RetinaRaw => ({
  classes: cls_scores.map(toMap),
  deltas: bbox_preds.map(toMap),
});

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

async function expectLosses({ terms, perImage }: HeadLoss, { loss_cls, loss_bbox }: GoldenLosses): Promise<void> {
  expectClose(await terms.classification!.data(), [sum(loss_cls)], 1e-5);
  expectClose(await terms.box!.data(), [sum(loss_bbox)], 1e-5);
  expectClose([sum([...(await perImage.data())])], [sum(loss_cls) + sum(loss_bbox)], 1e-5);
}

describe.each(TARGET_CASES)("RetinaNet targets %s", (name) => {
  const test = golden<GoldenTargets>(`retina/${name}`);
  const sizes = test.map_sizes.map(([height, width]) => ({ height, width }));

  it("have the reference's anchors", () => {
    test.config.strides.forEach((stride, l) => {
      expect([...baseAnchors(stride)]).toEqual(test.expected.base_anchors[l]!.flat().map(Math.fround));
    });
    test.expected.anchors?.forEach(({ data }, l) => {
      expectClose(levelAnchors(sizes[l]!, test.config.strides[l]!), data, 1e-6);
    });
  });

  it("are the reference's", () => {
    const targets = assignRetinaTargets(
      truthsOf(test.inputs),
      sizes,
      optionsOf(test.config, "mmdet-2.3"),
      paddedOf(test.img_metas),
    );
    expect(targets.divisor).toBe(test.expected.num_total_pos);
    const cells = sizes.map(({ height, width }) => 9 * height * width);
    const shifts = new Map<string, Float32Array>();
    // From "level, image, place" to the reference's number within an image.
    const numbersOf = (image: number, pick: (l: number, at: number) => boolean) => {
      let first = 0;
      return cells.flatMap((n, l) => {
        const found = Array.from({ length: n }, (_, i) => i).filter((i) => pick(l, image * n + i));
        first += n;
        return found.map((i) => first - n + i);
      });
    };
    const bases = cells.map((_, l) => test.img_metas.length * sum(cells.slice(0, l)));
    targets.positives.forEach((number, p) => {
      const l = bases.findLastIndex((base) => base <= number);
      const place = (number - bases[l]!) % cells[l]!;
      shifts.set(`${targets.images[p]} ${sum(cells.slice(0, l)) + place}`, targets.deltas.subarray(4 * p, 4 * p + 4));
    });
    test.expected.positives.forEach(({ inds, labels, bbox_targets }, image) => {
      const label = (l: number, at: number) => targets.labels[l]![at]!;
      const { num_classes } = test.config;
      expect(numbersOf(image, (l, at) => label(l, at) >= 0 && label(l, at) < num_classes)).toEqual(inds);
      expect(numbersOf(image, (l, at) => label(l, at) === -1)).toEqual(test.expected.zero_weight_inds[image]);
      const flat = cells.flatMap((n, l) => [...targets.labels[l]!.subarray(image * n, (image + 1) * n)]);
      expect(inds.map((i) => flat[i])).toEqual(labels);
      expectClose(
        inds.flatMap((i) => [...shifts.get(`${image} ${i}`)!]),
        bbox_targets.flat(),
        1e-5,
      );
    });
  });
});

describe.each(backends)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe.each(CASES)("RetinaNet case %s", (name) => {
    const test = golden<GoldenCase>(`retina/${name}`);
    const { config, img_metas, test_cfg } = test;
    const truths = truthsOf(test.inputs);
    const padded = paddedOf(img_metas);

    describe.each([
      ["mmdet-2.3", "expected_mmdet_2_3_0"],
      ["mmdet-2.28", "expected"],
    ] as const)("as %s", (flavour, key) => {
      const make = () =>
        createRetinaHead({
          ...optionsOf(config, flavour),
          test: {
            scoreThreshold: test_cfg.score_thr,
            nmsIou: test_cfg.nms.iou_threshold,
            maxPerImage: test_cfg.max_per_img,
            nmsPre: test_cfg.nms_pre,
          },
        });

      it("has the reference's losses and gradients", async () => {
        const head = make();
        const raw = rawOf(test.inputs);
        const loss = head.loss(raw, truths, padded);
        await expectLosses(loss, test[key].losses);
        const levels = raw.classes.length;
        const grads = tf.grads((...maps: tf.Tensor[]) => {
          const part = (k: number) => maps.slice(k * levels, (k + 1) * levels) as tf.Tensor4D[];
          return tf.sum(head.loss({ classes: part(0), deltas: part(1) }, truths, padded).perImage);
        })([...raw.classes, ...raw.deltas]);
        for (const [k, part] of (["cls_scores", "bbox_preds"] as const).entries()) {
          for (const [l, g] of grads.slice(k * levels, (k + 1) * levels).entries()) {
            const flat = await fromMap(g);
            const sums = test[key].grad_sum_abs;
            if (sums) expectClose([flat.reduce((a, b) => a + Math.abs(b), 0)], [sums[part][l]!]);
          }
        }
        tf.dispose([loss.terms, loss.perImage, grads]);
        head.disposeRaw(raw);
        head.dispose();
      });

      it.each(["rescale_false", "rescale_true"] as const)("has the reference's detections, %s", async (mode) => {
        const head = make();
        const raw = rawOf(test.inputs);
        const sizes = img_metas.map(({ img_shape, scale_factor }) => ({
          height: img_shape[0]!,
          width: img_shape[1]!,
          ...(mode === "rescale_true" ? { scaleX: scale_factor[0]!, scaleY: scale_factor[1]! } : {}),
        }));
        expectDetections(await head.decode(raw, sizes), test[key].detections[mode]);
        head.disposeRaw(raw);
        head.dispose();
      });
    });
  });

  describe("RetinaNet forward", () => {
    const test = golden<GoldenForward>("retina/f1-forward-default");
    const { config, expected } = test;
    const stored = (arrays: Record<string, GoldenArray>) =>
      retinaFromTorch(
        new Map(
          Object.entries(arrays).map(([k, { shape, data }]): [string, StoredArray] => [
            k,
            { dtype: "F32", shape, data: Float32Array.from(data) },
          ]),
        ),
      );
    const make = () => {
      const head = createRetinaHead({
        ...optionsOf(config, "mmdet-2.3"),
        inChannels: test.feat_channels,
        channels: test.feat_channels,
        stackedConvs: test.stacked_convs,
      });
      head.loadStateDict(stored(test.inputs.params));
      return head;
    };
    const truths = truthsOf(test.inputs);
    const lossOf = (head: RetinaHead, maps: tf.Tensor4D[]) =>
      head.loss(head.forward({ maps, strides: config.strides }, { training: true }), truths);

    it("predicts and loses what the reference does", async () => {
      const head = make();
      const maps = test.inputs.features.map(toMap);
      const raw = head.forward({ maps, strides: config.strides }, { training: false });
      for (const [l, map] of raw.classes.entries()) {
        if (l === 0) continue;
        expectClose(await fromMap(map), expected.train_out.cls_scores[l]!.data);
        expectClose(await fromMap(raw.deltas[l]!), expected.train_out.bbox_preds[l]!.data);
      }
      const train = head.forward({ maps, strides: config.strides }, { training: true });
      const loss = head.loss(train, truths);
      await expectLosses(loss, expected.losses);
      tf.dispose([maps, loss.terms, loss.perImage]);
      head.disposeRaw(raw);
      head.disposeRaw(train);
      head.dispose();
    });

    it("has the reference's gradients by parameters", async () => {
      const head = make();
      const maps = test.inputs.features.map(toMap);
      const { value, grads } = tf.variableGrads(() => tf.sum<tf.Scalar>(lossOf(head, maps).perImage));
      const state = head.stateDict();
      for (const [key, { data }] of stored(expected.param_grads)) {
        expectClose(await grads[state.get(key)!.name]!.data(), data as Float32Array);
      }
      tf.dispose([maps, value, grads]);
      head.dispose();
    });
  });
});
