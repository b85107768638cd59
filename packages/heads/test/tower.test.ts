// Towers that run again for their gradients give the same ones, to the bit, and keep less for them.
import { createRandom, type FeaturePyramid, variableGrads } from "@caddet/core";
import { createFcosHead, createRetinaHead, type FcosHeadOptions } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend, valuesOf } from "#test/backends";
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

describe.each(backends)("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it.each(Object.keys(KINDS) as (keyof typeof KINDS)[])("checkpointing changes no bit of %s, and keeps less", (kind) =>
    expectNoLeak(async () => {
      const maps = STRIDES.map((s) =>
        tf.tidy(() => tf.variable(tf.randomNormal<tf.Rank.R4>([2, 32 / s, 48 / s, 6], 0, 1, "float32", s))),
      );
      const features: FeaturePyramid = { maps, strides: STRIDES };
      const run = async (checkpoint: boolean) => {
        const head = KINDS[kind]();
        const parameters = [...head.namedParameters().values()].map(({ variable }) => variable);
        let kept = 0;
        const { value, grads } = variableGrads(() => {
          const before = tf.memory().numTensors;
          const raw = head.forward(features, { training: true, checkpoint });
          kept = tf.memory().numTensors - before;
          return tf.sum(head.loss(raw as never, TRUTHS).perImage) as tf.Scalar;
        }, [...parameters, ...maps]);
        const numbers = await valuesOf(() => [value, ...[...parameters, ...maps].map(({ name }) => grads[name]!)]);
        const moments = await valuesOf(() => [...head.namedBuffers().values()]);
        tf.dispose([value, grads]);
        head.dispose();
        return { numbers, moments, kept };
      };
      const [plain, checkpointed] = [await run(false), await run(true)];
      expect(checkpointed.numbers).toEqual(plain.numbers);
      expect(checkpointed.moments).toEqual(plain.moments);
      if (kind !== "FCOS without towers") expect(checkpointed.kept).toBeLessThan(plain.kept / 2);
      tf.dispose(maps);
    }),
  );
});
