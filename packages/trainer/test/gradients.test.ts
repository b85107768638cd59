// Gradients in parts are those of the whole batch: terms to the last bit, gradients to rounding, where batch normalisation stands still.
import { fixedBudget, lossAwareBudget, scaleBudget } from "@caddet/budget";
import { type BudgetMapping, ConfigError, createRandom, type Random } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend, valuesOf } from "#test/backends";
import { batchGradients, freezeMoments, type GradientBatch, type ObjectiveOptions } from "../src";
import { fakeDetector } from "./fake-parts";
import { squaresBatch, tinyConfig, tinyDetector } from "./tiny-run";

/** Six images of three batches. */
function sixImages(): GradientBatch {
  const parts = [squaresBatch(0, 0), squaresBatch(0, 1), squaresBatch(0, 2)];
  return {
    images: Float32Array.from(parts.flatMap((part) => Array.from(part.images))),
    shape: [6, 32, 32, 3],
    truths: parts.flatMap((part) => part.truths),
    sizes: parts.flatMap((part) => part.sizes),
    imageIds: parts.flatMap((part) => part.imageIds),
  };
}

const objectiveOf = (mapping: BudgetMapping): ObjectiveOptions => ({
  mapping,
  budgetWeight: 2,
  similarityWeight: 3,
  similarity: { min: 0.6, max: 0.95 },
  intervals: [10, 15, 25],
  pixels: "input",
});

interface Case {
  readonly microBatch?: number;
  readonly mapping: BudgetMapping;
  readonly noise?: number;
  readonly frozen?: boolean;
  /** Whether the generator is handed over. */
  readonly known?: boolean;
}

/** Terms, gates and gradients as numbers, and the running moments afterwards. */
async function compute({ microBatch, mapping, noise = 0, frozen = true, known = true }: Case) {
  const random: Random = createRandom(4);
  const detector = tinyDetector(tinyConfig({ model: { backbone: { noise } } }), random);
  freezeMoments(detector, frozen);
  const before = tf.memory().numTensors;
  const made = await batchGradients(detector, sixImages(), {
    objective: objectiveOf(mapping),
    regularize: true,
    ...(microBatch ? { microBatch } : {}),
    ...(known ? { random } : {}),
  }).finally(() => expect(tf.memory().numTensors).toBeGreaterThanOrEqual(before));
  const names = new Map([...detector.namedParameters()].map(([name, { variable }]) => [variable.name, name]));
  const read = async (tensors: readonly tf.Tensor[]) => (await valuesOf(() => tensors)).map((v) => Array.from(v));
  const [terms, gates] = await read([made.scalars, made.gates!]);
  const gradients = await read(Object.values(made.gradients));
  const numbers = {
    terms: terms!,
    names: made.names,
    gates: gates!,
    gradients: Object.fromEntries(
      Object.keys(made.gradients).map((variable, i) => [names.get(variable)!, gradients[i]!]),
    ),
    moments: await read([...detector.namedBuffers().values()]),
    state: random.state(),
  };
  tf.dispose([made.scalars, made.gates!, made.gradients] as tf.TensorContainer);
  expect(tf.memory().numTensors).toBe(before);
  detector.dispose();
  return numbers;
}

function expectEqualGradients(got: Record<string, number[]>, want: Record<string, number[]>): void {
  expect(Object.keys(got).sort()).toEqual(Object.keys(want).sort());
  for (const [name, values] of Object.entries(want)) {
    const scale = Math.max(1e-3, ...values.map(Math.abs));
    for (const [i, value] of values.entries()) {
      expect(Math.abs(got[name]![i]! - value) / scale, `${name}[${i}]`).toBeLessThan(2e-5);
    }
  }
}

describe.each(backends)("gradients in parts on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it.each([
    { microBatch: 1, name: "one image at a time", mapping: () => scaleBudget({ ratio: 0.3 }) },
    { microBatch: 4, name: "parts of four and two", mapping: () => scaleBudget({ ratio: 0.3 }) },
    { microBatch: 2, name: "a mapping that looks at losses", mapping: () => lossAwareBudget({ ratio: 0.1 }) },
    { microBatch: 3, name: "random gates", mapping: () => fixedBudget({ ratio: 0.2 }), noise: 0.7 },
  ])("are the whole batch's: $name", async ({ microBatch, mapping, noise }) => {
    const options = { ...(noise ? { noise } : {}) };
    const whole = await compute({ mapping: mapping(), ...options });
    const parts = await compute({ microBatch, mapping: mapping(), ...options });
    expect(parts.names).toEqual(["classification", "box", "global", "local"]);
    expect(parts.names).toEqual(whole.names);
    for (const [i, term] of whole.terms.entries()) expect(parts.terms[i]! / term).toBeCloseTo(1, 6);
    for (const [i, gate] of whole.gates.entries()) expect(parts.gates[i]).toBeCloseTo(gate, 6);
    expectEqualGradients(parts.gradients, whole.gradients);
    // The numbers that are drawn are those of one pass.
    expect(parts.state).toEqual(whole.state);
    expect(parts.moments).toEqual(whole.moments);
  });
});

describe("gradients in parts", () => {
  beforeAll(() => useBackend("wasm"));

  it("are of pairs across parts: one image at a time has a similarity term, too", async () => {
    const { terms, names } = await compute({ microBatch: 1, mapping: scaleBudget() });
    expect(terms[1 + names.indexOf("local")]).toBeGreaterThan(1e-4);
  });

  it("move running moments once a part", async () => {
    const mapping = scaleBudget();
    const [mean] = (await compute({ microBatch: 2, mapping, frozen: false })).moments;
    const detector = tinyDetector(tinyConfig(), createRandom(4));
    const { images } = sixImages();
    for (let from = 0; from < 6; from += 2) {
      tf.tidy(() => {
        const part = images.subarray(from * 32 * 32 * 3, (from + 2) * 32 * 32 * 3);
        detector.forward(tf.tensor4d(part, [2, 32, 32, 3]), { training: true });
      });
    }
    expect(mean).toEqual(Array.from(await [...detector.namedBuffers().values()][0]!.data()));
    detector.dispose();
  });

  it("name the generator that is missing where the two passes draw other gates, and leave nothing", async () => {
    const before = tf.memory().numTensors;
    const options = { microBatch: 2, mapping: scaleBudget(), noise: 1, known: false };
    await expect(compute(options)).rejects.toThrow(ConfigError);
    await expect(compute(options)).rejects.toThrow(/Pass the generator that the detector was built with/);
    // the detectors of the two calls are all that is left
    const perDetector = tinyDetector(tinyConfig(), 1).stateDict().size;
    expect(tf.memory().numTensors).toBe(before + 3 * perDetector);
  });

  it("refuse a head whose maps do not have the images first, and leave nothing", async () => {
    const detector = fakeDetector();
    Object.assign(detector.head, { forward: () => ({ odd: tf.scalar(1) }) });
    const before = tf.memory().numTensors;
    const promise = batchGradients(detector, sixImages(), {
      objective: objectiveOf(scaleBudget()),
      regularize: true,
      microBatch: 2,
    });
    await expect(promise).rejects.toThrow(/needs a head whose maps have the images first.*Leave data.microBatch out/);
    expect(tf.memory().numTensors).toBe(before);
    detector.dispose();
  });

  it("serve a static backbone", async () => {
    const compare = async (microBatch?: number) => {
      const detector = fakeDetector();
      const made = await batchGradients(detector, sixImages(), {
        objective: objectiveOf(scaleBudget()),
        regularize: true,
        ...(microBatch ? { microBatch } : {}),
      });
      expect(made.gates).toBeUndefined();
      const numbers = await valuesOf(() => [made.scalars, ...Object.values(made.gradients)]);
      tf.dispose([made.scalars, made.gradients] as tf.TensorContainer);
      detector.dispose();
      return numbers.flatMap((values) => Array.from(values));
    };
    const [whole, parts] = [await compare(), await compare(4)];
    for (const [i, value] of whole.entries()) expect(parts[i]).toBeCloseTo(value, 4);
  });
});
