// Towers that run again for their gradients give the same ones, to the bit, and keep less for them.
import { createRandom, type FeaturePyramid, variableGrads } from "@caddet/core";
import { createFcosHead, createRetinaHead, type FcosHeadOptions } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { BACKENDS, useBackend } from "./backends";
import { expectNoLeak, toTruth } from "./golden";

const STRIDES = [8, 16];
const TRUTHS = [toTruth([[2, 3, 30, 28]], [1]), toTruth([[0, 0, 9, 20]], [0])];
const common = () => ({
  inChannels: 6,
  numClasses: 3,
  channels: 8,
  stackedConvs: 3,
  strides: STRIDES,
  groups: 4,
  random: createRandom(3),
});

const KINDS = {
  "FCOS, group norm": () => createFcosHead(common()),
  "FCOS, batch norm, one tower": () => createFcosHead({ ...common(), norm: "batch", sharedTowers: true }),
  "FCOS, separable, no norm": () => createFcosHead({ ...common(), norm: "none", tower: "separable" }),
  "FCOS without towers": () => createFcosHead({ ...common(), stackedConvs: 0 } satisfies FcosHeadOptions),
  RetinaNet: () => createRetinaHead(common()),
};

describe.each(BACKENDS)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it.each(Object.keys(KINDS) as (keyof typeof KINDS)[])("checkpointing changes no bit of %s, and keeps less", (kind) =>
    expectNoLeak(() => {
      const maps = STRIDES.map((s) =>
        tf.tidy(() => tf.variable(tf.randomNormal<tf.Rank.R4>([2, 32 / s, 48 / s, 6], 0, 1, "float32", s))),
      );
      const features: FeaturePyramid = { maps, strides: STRIDES };
      const [plain, checkpointed] = [false, true].map((checkpoint) => {
        const head = KINDS[kind]();
        const parameters = [...head.namedParameters().values()].map(({ variable }) => variable);
        let kept = 0;
        const { value, grads } = variableGrads(() => {
          const before = tf.memory().numTensors;
          const raw = head.forward(features, { training: true, checkpoint });
          kept = tf.memory().numTensors - before;
          return tf.sum(head.loss(raw as never, TRUTHS).perImage) as tf.Scalar;
        }, [...parameters, ...maps]);
        const numbers = [value, ...[...parameters, ...maps].map(({ name }) => grads[name]!)].map((t) => t.dataSync());
        const moments = [...head.namedBuffers().values()].map((v) => v.dataSync());
        tf.dispose([value, grads]);
        head.dispose();
        return { numbers, moments, kept };
      });
      expect(checkpointed!.numbers).toEqual(plain!.numbers);
      expect(checkpointed!.moments).toEqual(plain!.moments);
      if (kind !== "FCOS without towers") expect(checkpointed!.kept).toBeLessThan(plain!.kept / 2);
      tf.dispose(maps);
    }),
  );
});
