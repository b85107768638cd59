import { beforeAll, describe, expect, it } from "vitest";
import { expectClose, integers, onWasm, seeded, useWasm } from "./harness";

beforeAll(useWasm);

/** Loss and derivative of one logit in double precision, without cancellation. */
function reference(x: number, isTarget: boolean, alpha: number, gamma: number): [loss: number, gradient: number] {
  const z = isTarget ? -x : x;
  const tail = Math.exp(-Math.abs(z));
  const log = Math.log1p(tail);
  const p = z >= 0 ? 1 / (1 + tail) : tail / (1 + tail);
  const rest = z >= 0 ? tail / (1 + tail) : 1 / (1 + tail);
  const softplus = Math.max(z, 0) + log;
  const weight = (isTarget ? alpha : 1 - alpha) * Math.exp(gamma * (Math.min(z, 0) - log));
  const slope = weight * (gamma * rest * softplus + p);
  return [weight * softplus, isTarget ? -slope : slope];
}

describe.each([2, 1.5, 0])("CaddetFocalLoss with gamma %s", (gamma) => {
  it("agrees with double precision for any label, class count and size of logit", () => {
    const random = seeded(5);
    for (const [rows, classes, spread] of [
      [9, 80, 4],
      [50, 3, 20],
      [31, 1, 60],
      [5, 5, 200],
    ] as const) {
      const logits = {
        values: Float32Array.from({ length: rows * classes }, () => (random() * 2 - 1) * spread),
        shape: [rows, classes],
      };
      const labels = Array.from({ length: rows }, (_, r) =>
        r % 3 === 0 ? classes : r % 7 === 1 ? -1 : Math.floor(random() * classes),
      );
      const loss = new Float64Array(rows);
      const gradient = new Float64Array(rows * classes);
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < classes; c++) {
          const [value, slope] = reference(logits.values[r * classes + c]!, labels[r] === c, 0.25, gamma);
          loss[r]! += value;
          gradient[r * classes + c] = slope;
        }
      }
      const outputs = onWasm("CaddetFocalLoss", { logits, labels: integers(labels) }, { alpha: 0.25, gamma });
      expectClose(outputs[0]!, { values: loss, shape: [rows] }, 2e-6);
      expectClose(outputs[1]!, { values: gradient, shape: [rows, classes] }, 2e-6);
    }
  });

  it("is exact to 2e-6 of each value over the logits that training meets", () => {
    const count = 4001;
    const logits = { values: Float32Array.from({ length: count }, (_, i) => (i - 2000) / 200), shape: [count, 1] };
    for (const label of [0, 1]) {
      const labels = integers(new Array(count).fill(label));
      const [loss, gradient] = onWasm("CaddetFocalLoss", { logits, labels }, { alpha: 0.25, gamma });
      for (let i = 0; i < count; i++) {
        const [value, slope] = reference(logits.values[i]!, label === 0, 0.25, gamma);
        expect(Math.abs(loss!.values[i]! / value - 1)).toBeLessThan(2e-6);
        expect(Math.abs(gradient!.values[i]! / slope - 1)).toBeLessThan(2e-6);
      }
    }
  });
});

it("refuses float labels", () => {
  const logits = { values: new Float32Array(4), shape: [2, 2] };
  const labels = { values: new Float32Array(2), shape: [2] };
  expect(() => onWasm("CaddetFocalLoss", { logits, labels }, { alpha: 0.25, gamma: 2 })).toThrow(/expected a int32/);
});
