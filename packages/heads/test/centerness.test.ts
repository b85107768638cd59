import { ShapeError } from "@caddet/core";
import { binaryCrossEntropy, centernessLoss, centernessTarget } from "@caddet/heads";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { expectClose, expectNoLeak } from "./golden";

describe("centernessTarget", () => {
  it("is 1 at the centre, 0 on the border and outside, and the same for the mirrored box", () => {
    expect([...centernessTarget([3, 5, 3, 5, 0, 5, 6, 5, -1, 5, 7, 5, 0, 0, 0, 0])]).toEqual([1, 0, 0, 0]);
    const distance = fc.float({ min: Math.fround(0.01), max: 1000, noNaN: true });
    fc.assert(
      fc.property(distance, distance, distance, distance, fc.constantFrom(0.5, 4), (l, t, r, b, scale) => {
        const [value] = centernessTarget([l, t, r, b]);
        expect(value).toBeGreaterThan(0);
        expect(value).toBeLessThanOrEqual(1);
        expect([...centernessTarget([r, b, l, t])]).toEqual([value]);
        expect(centernessTarget([l * scale, t * scale, r * scale, b * scale])[0]).toBeCloseTo(value!, 6);
      }),
    );
  });

  it("is Eq. 3", () => {
    expectClose(centernessTarget([1, 2, 4, 2, 9, 1, 1, 4]), [0.5, 1 / 6], 1e-6);
    expect(() => centernessTarget([1, 2, 3])).toThrow(ShapeError);
  });
});

describe.each(backends)("centernessLoss on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("is the cross-entropy with the target, and so is its gradient", async () => {
    const logits = tf.tensor1d([0.3, -2, 40]);
    const distances = [1, 2, 4, 2, 3, 3, 3, 3, -1, 2, 3, 4];
    await expectNoLeak(async () => {
      const targets = tf.tensor1d(centernessTarget(distances));
      const own = tf.valueAndGrad((x) => tf.sum(centernessLoss(x as tf.Tensor1D, distances)))(logits);
      const wanted = tf.valueAndGrad((x) => tf.sum(binaryCrossEntropy(x as tf.Tensor1D, targets)))(logits);
      expectClose(await own.value.data(), await wanted.value.data(), 1e-6);
      expectClose(await own.grad.data(), await wanted.grad.data(), 1e-6);
      tf.dispose([targets, own, wanted]);
    });
    expect(() => centernessLoss(logits, [1, 2, 3, 4])).toThrow(/one logit a point, got logits \[3\]/);
    logits.dispose();
  });
});
