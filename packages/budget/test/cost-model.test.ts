import { ShapeError, tidy } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { backends, onBackend } from "#test/backends";
import { createCostModel, expectedCost, globalBudgetLoss } from "../src";
import { cases, type GoldenCase } from "./goldens";

const costOf = (golden: GoldenCase) => ({ node: golden.nodeCost, path: golden.pathCost });
const gatesOf = (golden: GoldenCase) => tf.tensor2d(golden.gates, [golden.images, golden.nodeOfPath.length]);

describe.each(backends)("expected cost on %s", (backend) => {
  it.each(cases)("equals the reference in MAdds: $name", (golden) =>
    onBackend(backend, async () => {
      const values = gatesOf(golden);
      const net = expectedCost({ values, nodeOfPath: golden.nodeOfPath }, costOf(golden));
      const got = await net.data();
      for (const [b, want] of golden.netCost.entries())
        expect(Math.abs(got[b]! - want)).toBeLessThanOrEqual(1e-6 * want);
      tf.dispose([values, net]);
    }),
  );

  it.each(cases.flatMap((golden) => [["mean", golden] as const, ["sum", golden] as const]))(
    "gives the reference's loss and gradient by %s: $1.name",
    (reduce, golden) =>
      onBackend(backend, async () => {
        const want = golden[reduce];
        const model = createCostModel(golden.nodeOfPath, costOf(golden));
        const loss = (gates: tf.Tensor) =>
          globalBudgetLoss(tf.div(model.expectedCost(gates as tf.Tensor2D), model.total), want.expected);
        const values = gatesOf(golden);
        const { perImage, loss: mean } = tidy(() => loss(values));
        const { value, grad } = tf.valueAndGrad((gates) => loss(gates).loss)(values);
        const [images, scalar, again, gradient] = await Promise.all([perImage, mean, value, grad].map((t) => t.data()));
        for (const [b, v] of want.perImage.entries()) expect(images![b]).toBeCloseTo(v, 6);
        expect(scalar![0]).toBeCloseTo(want.loss, 6);
        expect(again![0]).toBe(scalar![0]);
        const p = golden.nodeOfPath.length;
        const tolerance = 1e-5 * Math.max(...want.grad.map(Math.abs));
        let compared = 0;
        for (const [i, v] of want.grad.entries()) {
          const node = golden.nodeOfPath[i % p]!;
          if (golden.tieNodes[Math.floor(i / p) * golden.nodes + node]) continue;
          expect(Math.abs(gradient![i]! - v)).toBeLessThan(tolerance);
          compared++;
        }
        expect(compared).toBeGreaterThan(0);
        model.dispose();
        tf.dispose([values, perImage, mean, value, grad]);
      }),
  );

  it("has the gradient of finite differences, whatever the order and number of a node's paths", () =>
    onBackend(backend, async () => {
      const owners = [2, 0, 1, 0, 2, 2, 3, 0];
      const model = createCostModel(owners, { node: [3, 5, 7, 2], path: [1, 2, 3, 4, 5, 6, 7, 8] });
      const start = Float32Array.from(owners, (_, k) => 0.1 + ((k * 37) % 64) / 80);
      const at = async (gates: Float32Array) => {
        const values = tf.tensor2d(gates, [1, owners.length]);
        const cost = model.expectedCost(values);
        const [out] = await cost.data();
        tf.dispose([values, cost]);
        return out!;
      };
      const values = tf.tensor2d(start, [1, owners.length]);
      const grad = tf.grad((gates) => model.expectedCost(gates as tf.Tensor2D))(values);
      const got = await grad.data();
      const h = 1 / 256;
      for (const k of owners.keys()) {
        const slope = ((await at(start.with(k, start[k]! + h))) - (await at(start.with(k, start[k]! - h)))) / (2 * h);
        expect(got[k]).toBeCloseTo(slope, 2);
      }
      model.dispose();
      tf.dispose([values, grad]);
    }));

  it("gives each gate of a tie the block's full gradient", () =>
    onBackend(backend, async () => {
      const model = createCostModel([0, 0, 0, 1], { node: [10, 20], path: [1, 2, 3, 4] });
      const values = tf.tensor2d([[0.5, 0.5, 0.25, 0]]);
      const grad = tf.grad((gates) => model.expectedCost(gates as tf.Tensor2D))(values);
      expect(Array.from(await grad.data())).toEqual([11, 12, 3, 24]);
      model.dispose();
      tf.dispose([values, grad]);
    }));

  it.each([
    ["one path", 1, [1]],
    ["10,000 paths of one node", 64, [10_000]],
    ["10,000 paths, 3 a node and 1 in the last", 64, new Array(3334).fill(3).with(3333, 1)],
    ["10,000 nodes of one path", 1, new Array(10_000).fill(1)],
  ])("is C_tot with all gates at 1, with every gate's slope known: %s", (_, images, widths: number[]) =>
    onBackend(backend, async () => {
      const owners = widths.flatMap((width, node) => new Array<number>(width).fill(node));
      const cost = { node: widths.map((_, i) => 1000 + i), path: owners.map((_, k) => 1 + (k % 7)) };
      const model = createCostModel(owners, cost);
      const gates = tf.ones<tf.Rank.R2>([images, owners.length]);
      const { value, grad } = tf.valueAndGrad((g) => tf.sum(model.expectedCost(g as tf.Tensor2D)))(gates);
      const got = (await value.data())[0]! / images;
      expect(Math.abs(got - model.total)).toBeLessThan(1e-4 * model.total);
      const slopes = await grad.data();
      expect(
        slopes.every((slope, i) => slope === cost.node[owners[i % owners.length]!]! + 1 + ((i % owners.length) % 7)),
      ).toBe(true);
      model.dispose();
      tf.dispose([gates, value, grad]);
    }),
  );

  it("makes one tensor a call", () =>
    onBackend(backend, async () => {
      const model = createCostModel([0, 0, 1], { node: [10, 20], path: [1, 2, 3] });
      const values = tf.ones<tf.Rank.R2>([64, 3]);
      const before = tf.memory().numTensors;
      const [kept, once] = [
        model.expectedCost(values),
        expectedCost({ values, nodeOfPath: [0, 0, 1] }, { node: [10, 20], path: [1, 2, 3] }),
      ];
      expect(tf.memory().numTensors - before).toBe(2);
      model.dispose();
      tf.dispose([values, kept, once]);
    }));

  it("keeps its constants through a tidy and a forward pass that is differentiated later", () =>
    onBackend(backend, async () => {
      const model = tidy(() => createCostModel([0, 1], { node: [1, 2], path: [0, 0] }));
      const values = tf.tensor2d([[1, 0.5]]);
      const grad = tf.grad((gates) => tf.tidy(() => model.expectedCost(gates as tf.Tensor2D)))(values);
      const oneShot = tf.grad((gates) =>
        expectedCost({ values: gates as tf.Tensor2D, nodeOfPath: [0, 1] }, { node: [1, 2], path: [0, 0] }),
      )(values);
      expect(Array.from(await grad.data())).toEqual([1, 2]);
      expect(Array.from(await oneShot.data())).toEqual([1, 2]);
      model.dispose();
      tf.dispose([values, grad, oneShot]);
    }));
});

describe("cost model", () => {
  it("counts what runs as executedCost does", () => {
    const model = createCostModel([0, 0, 1], { node: [10, 20], path: [1, 2, 3] });
    expect(model.total).toBe(36);
    expect(model.executedCost([1, 0, 0, 0, 0, 1])).toEqual(Float64Array.from([11, 23]));
    expect(model.executedCost([1, 0, 0.4], 0.5)).toEqual(Float64Array.from([11]));
    model.dispose();
  });

  it("refuses gates of another width", () => {
    const model = createCostModel([0], { node: [1], path: [1] });
    const values = tf.zeros<tf.Rank.R2>([2, 3]);
    expect(() => model.expectedCost(values)).toThrow(
      new ShapeError("expectedCost needs gates [B, 1] for 1 paths, got [2,3]."),
    );
    model.dispose();
    values.dispose();
  });
});
