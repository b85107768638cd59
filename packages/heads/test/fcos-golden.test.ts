// The whole head and its loss and boxes against mmdetection; see fixtures/README.md.
import { createRandom, type HeadLoss, type StoredArray } from "@caddet/core";
import {
  assignFcosTargets,
  createFcosHead,
  type FcosHead,
  type FcosRaw,
  fcosFromTorch,
  type MmdetFlavour,
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
  toTruth,
} from "./golden";

interface GoldenLosses {
  readonly loss_cls: number;
  readonly loss_bbox: number;
  readonly loss_centerness: number;
}

interface GoldenExpectation {
  readonly losses: GoldenLosses;
  readonly total: number;
  readonly detections: { readonly rescale_false: GoldenDetections[]; readonly rescale_true: GoldenDetections[] };
}

type GoldenMaps = Record<"cls_scores" | "bbox_preds" | "centernesses", GoldenArray[]>;

interface GoldenConfig {
  readonly num_classes: number;
  readonly strides: number[];
  readonly regress_ranges: [number, number][];
  readonly center_sampling: boolean;
  readonly center_sample_radius: number;
  readonly norm_on_bbox: boolean;
  readonly centerness_on_reg: boolean;
  readonly loss_bbox: "IoULoss" | "GIoULoss";
}

interface GoldenCase {
  readonly config: GoldenConfig;
  readonly img_metas: { readonly img_shape: number[]; readonly scale_factor: number[] }[];
  readonly test_cfg: {
    readonly nms_pre: number;
    readonly score_thr: number;
    readonly nms: { readonly iou_threshold: number };
    readonly max_per_img: number;
  };
  readonly inputs: GoldenMaps & { readonly gt_bboxes: number[][][]; readonly gt_labels: number[][] };
  readonly expected: GoldenExpectation & {
    readonly labels: number[];
    readonly pos_inds: number[];
    readonly pos_bbox_targets: number[][];
    readonly pos_centerness: number[];
    readonly grads?: GoldenMaps;
  };
  readonly expected_mmdet_2_3_0: GoldenExpectation & { readonly grad_sum_abs: Record<keyof GoldenMaps, number[]> };
}

interface GoldenForward {
  readonly config: GoldenConfig;
  readonly feat_channels: number;
  readonly stacked_convs: number;
  readonly gn_groups: number;
  readonly inputs: {
    readonly features: GoldenArray[];
    readonly params: Record<string, GoldenArray>;
    readonly gt_bboxes: number[][][];
    readonly gt_labels: number[][];
  };
  readonly expected: {
    readonly train_out: GoldenMaps;
    readonly eval_bbox_preds?: GoldenArray[];
    readonly losses: GoldenLosses;
    readonly param_grads: Record<string, GoldenArray>;
    readonly feature_grads?: GoldenArray[];
  };
  readonly expected_mmdet_2_3_0: { readonly losses: GoldenLosses };
}

const CASES = [
  "01-default-hand",
  "02-default-random",
  "03-range-bounds",
  "04-no-gt-at-all",
  "05-center-sampling",
  "06-norm-on-bbox-giou",
  "07-80-classes",
  "08-nms-pre-and-max",
];
const FORWARD_CASES = ["f1-forward-default", "f2-forward-norm-ctr-on-reg"];

// In f1 one input of a ReLU in the box tower's first layer (level 0, image 0, channel 8, row 2, column 1) is -1.01e-7 in exact
// arithmetic: float32 decides on which side of the kink it falls, and that layer's gradients with it. f2 has no such place.
const kinkOf = (name: string) => (key: string) => name === "f1-forward-default" && key.startsWith("boxTower.0.");

const headOptions = (config: GoldenConfig, normaliser: MmdetFlavour) => ({
  numClasses: config.num_classes,
  strides: config.strides,
  regressRanges: config.regress_ranges,
  centerSampling: config.center_sampling,
  centerSampleRadius: config.center_sample_radius,
  normOnBbox: config.norm_on_bbox,
  centernessOnReg: config.centerness_on_reg,
  boxLoss: config.loss_bbox === "GIoULoss" ? ("giou" as const) : ("iou" as const),
  normaliser,
  random: createRandom(0),
});

const rawOf = (maps: GoldenMaps, config: GoldenConfig): FcosRaw => ({
  classes: maps.cls_scores.map(toMap),
  distances: maps.bbox_preds.map(toMap),
  centerness: maps.centernesses.map(toMap),
  unit: config.norm_on_bbox ? "stride" : "pixel",
});

async function expectLosses({ terms, perImage }: HeadLoss, wanted: GoldenLosses): Promise<void> {
  expectClose(await terms.classification!.data(), [wanted.loss_cls], 1e-5);
  expectClose(await terms.box!.data(), [wanted.loss_bbox], 1e-5);
  expectClose(await terms.centerness!.data(), [wanted.loss_centerness], 1e-5);
  const total = wanted.loss_cls + wanted.loss_bbox + wanted.loss_centerness;
  const shares = await perImage.data<"float32">();
  expectClose([shares.reduce((a, b) => a + b)], [total], 1e-5);
}

// The scalar loss and its gradient by every map, [classes, distances, centerness] a level.
function lossAndGradients(head: FcosHead, raw: FcosRaw, test: GoldenCase): { value: tf.Tensor; grads: tf.Tensor[] } {
  const truths = test.inputs.gt_bboxes.map((boxes, i) => toTruth(boxes, test.inputs.gt_labels[i]!));
  const levels = raw.classes.length;
  return tf.valueAndGrads((...maps: tf.Tensor[]) => {
    const part = (k: number) => maps.slice(k * levels, (k + 1) * levels) as tf.Tensor4D[];
    return tf.sum(
      head.loss({ classes: part(0), distances: part(1), centerness: part(2), unit: raw.unit }, truths).perImage,
    );
  })([...raw.classes, ...raw.distances, ...raw.centerness]);
}

describe.each(backends)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  describe.each(CASES)("FCOS case %s", (name) => {
    const test = golden<GoldenCase>(`fcos/${name}`);
    const { config } = test;
    const truths = test.inputs.gt_bboxes.map((boxes, i) => toTruth(boxes, test.inputs.gt_labels[i]!));

    it("has the reference's targets", () => {
      const sizes = test.inputs.cls_scores.map(({ shape }) => ({ height: shape[2]!, width: shape[3]! }));
      const targets = assignFcosTargets(truths, sizes, headOptions(config, "mmdet-2.3"));
      expect(targets.labels.flatMap((labels) => [...labels])).toEqual(test.expected.labels);
      expect([...targets.positives]).toEqual(test.expected.pos_inds);
      const strides = config.norm_on_bbox ? Array.from(targets.levels, (l) => config.strides[l]!) : undefined;
      const distances = targets.distances.map((d, i) => d / (strides?.[i >> 2] ?? 1));
      expectClose(distances, test.expected.pos_bbox_targets.flat(), 1e-6);
      expectClose(targets.centerness, test.expected.pos_centerness, 1e-6);
    });

    describe.each([
      ["mmdet-2.3", "expected_mmdet_2_3_0"],
      ["mmdet-2.28", "expected"],
    ] as const)("as %s", (flavour, key) => {
      const { test_cfg } = test;
      const make = () =>
        createFcosHead({
          ...headOptions(config, flavour),
          inChannels: 4,
          channels: 4,
          groups: 2,
          test: {
            scoreThreshold: test_cfg.score_thr,
            nmsIou: test_cfg.nms.iou_threshold,
            maxPerImage: test_cfg.max_per_img,
            nmsPre: test_cfg.nms_pre,
          },
        });

      it("has the reference's losses", async () => {
        const head = make();
        const raw = rawOf(test.inputs, config);
        const loss = head.loss(raw, truths);
        await expectLosses(loss, test[key].losses);
        tf.dispose([loss.terms, loss.perImage]);
        head.disposeRaw(raw);
        head.dispose();
      });

      it("has the reference's gradients", async () => {
        const head = make();
        const raw = rawOf(test.inputs, config);
        const { value, grads } = lossAndGradients(head, raw, test);
        const levels = raw.classes.length;
        for (const [k, part] of (["cls_scores", "bbox_preds", "centernesses"] as const).entries()) {
          for (const [l, g] of grads.slice(k * levels, (k + 1) * levels).entries()) {
            const flat = await fromMap(g);
            if (key === "expected_mmdet_2_3_0") {
              expectClose([flat.reduce((a, b) => a + Math.abs(b), 0)], [test[key].grad_sum_abs[part][l]!]);
            } else if (test.expected.grads) {
              expectClose(flat, test.expected.grads[part][l]!.data);
            }
          }
        }
        tf.dispose([value, grads]);
        head.disposeRaw(raw);
        head.dispose();
      });

      it.each(["rescale_false", "rescale_true"] as const)("has the reference's detections, %s", async (mode) => {
        const head = make();
        const raw = rawOf(test.inputs, config);
        const sizes = test.img_metas.map(({ img_shape, scale_factor }) => ({
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

  describe.each(FORWARD_CASES)("FCOS forward %s", (name) => {
    const test = golden<GoldenForward>(`fcos/${name}`);
    const { config, expected } = test;
    const atKink = kinkOf(name);
    const stored = (arrays: Record<string, GoldenArray>) =>
      fcosFromTorch(
        new Map(
          Object.entries(arrays).map(([k, { shape, data }]): [string, StoredArray] => [
            k,
            { dtype: "F32", shape, data: Float32Array.from(data) },
          ]),
        ),
      );
    const make = (flavour: MmdetFlavour) => {
      const head = createFcosHead({
        ...headOptions(config, flavour),
        inChannels: test.feat_channels,
        channels: test.feat_channels,
        stackedConvs: test.stacked_convs,
        groups: test.gn_groups,
      });
      head.loadStateDict(stored(test.inputs.params));
      return head;
    };
    const truths = test.inputs.gt_bboxes.map((boxes, i) => toTruth(boxes, test.inputs.gt_labels[i]!));

    it("predicts what the reference predicts, in training and at inference", async () => {
      const head = make("mmdet-2.3");
      const maps = test.inputs.features.map(toMap);
      for (const training of [true, false]) {
        const raw = head.forward({ maps, strides: config.strides }, { training });
        const distances = training
          ? expected.train_out.bbox_preds
          : (expected.eval_bbox_preds ?? expected.train_out.bbox_preds);
        for (const [l, map] of raw.classes.entries()) {
          expectClose(await fromMap(map), expected.train_out.cls_scores[l]!.data);
          expectClose(await fromMap(raw.distances[l]!), distances[l]!.data);
          expectClose(await fromMap(raw.centerness[l]!), expected.train_out.centernesses[l]!.data);
        }
        head.disposeRaw(raw);
      }
      tf.dispose(maps);
      head.dispose();
    });

    it.each([
      ["mmdet-2.3", test.expected_mmdet_2_3_0.losses],
      ["mmdet-2.28", expected.losses],
    ] as const)("has the reference's losses as %s", async (flavour, losses) => {
      const head = make(flavour);
      const maps = test.inputs.features.map(toMap);
      const raw = head.forward({ maps, strides: config.strides }, { training: true });
      const loss = head.loss(raw, truths);
      await expectLosses(loss, losses);
      tf.dispose([maps, loss.terms, loss.perImage]);
      head.disposeRaw(raw);
      head.dispose();
    });

    it("has the reference's gradients by parameters and features", async () => {
      const head = make("mmdet-2.28");
      const maps = test.inputs.features.map(toMap);
      const loss = (features: tf.Tensor4D[]) => {
        const raw = head.forward({ maps: features, strides: config.strides }, { training: true });
        return tf.sum<tf.Scalar>(head.loss(raw, truths).perImage);
      };
      const { value, grads } = tf.variableGrads(() => loss(maps));
      const state = head.stateDict();
      const wanted = stored(expected.param_grads);
      for (const [key, { data }] of wanted) {
        if (!atKink(key)) expectClose(await grads[state.get(key)!.name]!.data(), data as Float32Array);
      }
      const features = tf.grads((...xs: tf.Tensor[]) => loss(xs as tf.Tensor4D[]))(maps);
      for (const [l, { data }] of (expected.feature_grads ?? []).entries()) {
        expectClose(await fromMap(features[l]!), data);
      }
      tf.dispose([value, grads, maps, features]);
      head.dispose();
    });
  });
});
