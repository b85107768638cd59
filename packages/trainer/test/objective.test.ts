import { fixedBudget, scaleBudget } from "@caddet/budget";
import { type BudgetMapping, type BudgetSample, ConfigError, type GroundTruth, tidy } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { computeObjective, encodeBatch, type ObjectiveBatch, type ObjectiveOptions } from "../src";
import { fakeDetector } from "./fake-parts";

const truth = (...boxes: number[]): GroundTruth => ({
  boxes: Float32Array.from(boxes),
  labels: new Int32Array(boxes.length / 4),
  crowd: new Uint8Array(boxes.length / 4),
});

// image 0 has a small object, image 1 a small and a large one: encodings 1000 and 1001
const TRUTHS = [truth(0, 0, 10, 10), truth(0, 0, 64, 20, 0, 0, 100, 400)];
const SIZES = [
  { height: 8, width: 8 },
  { height: 8, width: 8 },
];

const options: ObjectiveOptions = {
  mapping: scaleBudget({ ratio: 0.5 }),
  budgetWeight: 2,
  similarityWeight: 0.5,
  similarity: { min: 0.6, max: 0.95 },
  intervals: [64, 150, 360],
  pixels: "input",
};

// means 1 and 3, so that the losses are 4 and 12
const batchOf = (truths = TRUTHS): ObjectiveBatch => ({
  images: tf.tidy(() => tf.concat([tf.fill([1, 8, 8, 3], 1), tf.fill([1, 8, 8, 3], 3)]) as tf.Tensor4D),
  truths,
  sizes: SIZES,
});

/** A mapping that wants to know losses. */
const asking = (mapping: BudgetMapping): BudgetMapping =>
  Object.assign((images: readonly BudgetSample[]) => mapping(images), { usesLoss: true as const });

const GATES = [
  [0.5, 0.25, 1],
  [0, 0, 0.5],
];

/** The objective's numbers; its tensors are all that it makes. */
async function evaluate(gates: typeof GATES | undefined, changes: Partial<ObjectiveOptions> = {}, regularize = true) {
  const detector = fakeDetector(gates);
  const before = tf.memory().numTensors;
  try {
    const made = tidy(() => computeObjective(detector, batchOf(), { ...options, ...changes }, regularize));
    const terms = await Promise.all(
      Object.entries(made.terms).map(async ([k, t]) => [k, (await t.data())[0]!] as const),
    );
    const [total] = await made.total.data();
    const values = await made.gates?.array();
    tf.dispose([made.total, made.terms, made.gates ?? []] as tf.TensorContainer);
    return { total: total!, terms: Object.fromEntries(terms), gates: values };
  } finally {
    expect(tf.memory().numTensors).toBe(before);
    detector.dispose();
  }
}

describe.each(backends)("computeObjective on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("adds up Eq. 9: detection, λ1 · global, λ2 · local", async () => {
    const { total, terms, gates } = await evaluate(GATES);
    // C_net / C_tot of Eq. 1 and 2: 0.5·10 + 1·20 + 0.5·1 + 0.25·2 + 1·3 = 29, and 0.5·20 + 0.5·3 = 11.5, of 36
    const budgets = [0.5 / 4, (0.5 * 2) / 4];
    const global = ((29 / 36 - budgets[0]!) ** 2 + (11.5 / 36 - budgets[1]!) ** 2) / 2;
    // cosine of the two routes against 3/4 agreement, one pair, two images
    const cosine = 0.5 / (Math.hypot(0.5, 0.25, 1) * 0.5);
    const local = (cosine - (0.75 * 0.35 + 0.6)) ** 2 / 2;
    expect(terms.near).toBeCloseTo(4, 5);
    expect(terms.far).toBeCloseTo(12, 5);
    expect(terms.global).toBeCloseTo(2 * global, 5);
    expect(terms.local).toBeCloseTo(0.5 * local, 5);
    expect(Object.keys(terms)).toEqual(["near", "far", "global", "local"]);
    expect(total).toBeCloseTo(16 + 2 * global + 0.5 * local, 4);
    expect(gates).toEqual(GATES);
  });

  it("leaves both regularisers out in the first epoch, and each where its weight is 0", async () => {
    expect(Object.keys((await evaluate(GATES, {}, false)).terms)).toEqual(["near", "far"]);
    expect(Object.keys((await evaluate(GATES, { budgetWeight: 0 })).terms)).toEqual(["near", "far", "local"]);
    expect(Object.keys((await evaluate(GATES, { similarityWeight: 0 })).terms)).toEqual(["near", "far", "global"]);
    expect((await evaluate(GATES, { budgetWeight: 0, similarityWeight: 0 })).total).toBeCloseTo(16, 5);
  });

  it("knows no regularisers for a static backbone", async () => {
    const { total, terms, gates } = await evaluate(undefined);
    expect(Object.keys(terms)).toEqual(["near", "far"]);
    expect(total).toBeCloseTo(16, 5);
    expect(gates).toBeUndefined();
  });

  it("gives a mapping the encodings and truths, and its losses only where it asks for them", async () => {
    const seen: (readonly BudgetSample[])[] = [];
    const spy = (images: readonly BudgetSample[]) => {
      seen.push(images);
      return images.map(() => 0.5);
    };
    await evaluate(GATES, { mapping: spy });
    await evaluate(GATES, { mapping: asking(spy) });
    const [plain, asked] = seen;
    expect(plain!.map((s) => Array.from(s.scaleEncoding))).toEqual([
      [1, 0, 0, 0],
      [1, 0, 0, 1],
    ]);
    expect(plain!.map((s) => s.truth)).toEqual(TRUTHS);
    expect(plain!.map((s) => s.detectionLoss)).toEqual([undefined, undefined]);
    expect(asked!.map((s) => s.detectionLoss)).toEqual([4, 12]);
  });

  it("sends the budget's gradient into the gates and the detection's into the head", async () => {
    const detector = fakeDetector(GATES);
    const before = tf.memory().numTensors;
    const [backbone, head] = [...detector.namedParameters().values()].map((p) => p.variable);
    const batch = batchOf();
    const { value, grads } = tf.variableGrads(
      () => computeObjective(detector, batch, { ...options, mapping: fixedBudget({ ratio: 1 }) }, true).total,
    );
    const gateGradients = (await grads[backbone!.name]!.array()) as number[][];
    // image 1 costs less than its budget: more of the path that carries its route lowers the loss
    expect(gateGradients[1]![2]).toBeLessThan(0);
    expect((await grads[head!.name]!.data())[0]).toBeCloseTo(4, 4);
    tf.dispose([value, grads, batch.images] as tf.TensorContainer);
    expect(tf.memory().numTensors).toBe(before);
    detector.dispose();
  });
});

describe.skipIf(!backends.includes("webgpu"))("a mapping of losses on webgpu", () => {
  beforeAll(() => useBackend("webgpu"));

  it("fails by a message that says what to choose, and leaves nothing", async () => {
    const failed = evaluate(GATES, { mapping: asking(() => [0.5, 0.5]) });
    await expect(failed).rejects.toThrow(ConfigError);
    await expect(failed).rejects.toThrow(
      /^The budget mapping reads within the pass.*Choose budget\.mapping "scale" or "fixed"/,
    );
  });
});

describe("encodeBatch", () => {
  const sizes = [{ height: 8, width: 8, scaleX: 2, scaleY: 0.5 }];
  const encode = (pixels: "input" | "source", ...box: number[]) =>
    Array.from(encodeBatch({ truths: [truth(...box)], sizes }, { intervals: [64, 150, 360], pixels })[0]!);

  it("measures in pixels of the network's input or of the source", () => {
    // 100 × 20 in the input is 50 × 40 in the source; 20 × 100 is 10 × 200
    expect(encode("input", 5, 5, 105, 25)).toEqual([0, 1, 0, 0]);
    expect(encode("source", 5, 5, 105, 25)).toEqual([1, 0, 0, 0]);
    expect(encode("input", 5, 5, 25, 105)).toEqual([0, 1, 0, 0]);
    expect(encode("source", 5, 5, 25, 105)).toEqual([0, 0, 1, 0]);
  });

  it("takes network pixels for source pixels where an image has no scale, and leaves crowds out", () => {
    const crowd = { ...truth(0, 0, 400, 400), crowd: Uint8Array.of(1) };
    const batch = { truths: [truth(0, 0, 100, 1), crowd], sizes: SIZES };
    expect(encodeBatch(batch, { intervals: [64, 150], pixels: "source" }).map((e) => Array.from(e))).toEqual([
      [0, 1, 0],
      [0, 0, 0],
    ]);
  });
});
