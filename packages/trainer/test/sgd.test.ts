// SGD, clipping and factors by kind against torch and mmcv, on every backend present.
import { CheckpointError, type Parameter, type ParameterKind, type StoredArray } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { createSgd } from "../src";
import { goldenCases } from "./golden";

interface SgdCase {
  readonly momentum: number;
  readonly weightDecay: number;
  readonly p0: readonly number[];
  readonly q0: readonly number[];
  readonly steps: readonly {
    readonly lr: number;
    readonly gradP: readonly number[];
    readonly gradQ: readonly number[];
    readonly p: readonly number[];
    readonly q: readonly number[];
    /** null without momentum. */
    readonly momentumP: readonly number[] | null;
  }[];
}

interface ClipCase {
  readonly maxNorm: number;
  readonly grads: readonly (readonly number[])[];
  readonly norm: number;
  readonly clipped: readonly (readonly number[])[];
}

interface GroupsCase {
  readonly paramwise: {
    readonly bias_lr_mult?: number;
    readonly bias_decay_mult?: number;
    readonly norm_decay_mult?: number;
    readonly custom_keys?: Readonly<Record<string, { readonly lr_mult: number; readonly decay_mult: number }>>;
  };
  readonly groups: readonly { readonly name: string; readonly lr: number; readonly weightDecay: number }[];
}

const parameter = (values: readonly number[], kind: ParameterKind = "weight"): Parameter => ({
  variable: tf.tidy(() => tf.variable(tf.tensor1d([...values]))),
  kind,
  learningRateMultiplier: 1,
  decayMultiplier: 1,
});

const valuesOf = ({ variable }: Parameter) => variable.data<"float32">();

function expectClose(got: ArrayLike<number>, want: readonly number[], tolerance = 2e-6): void {
  expect(got.length).toBe(want.length);
  for (const [i, w] of want.entries()) {
    expect(Math.abs(got[i]! - w), `element ${i}: ${got[i]} for ${w}`).toBeLessThan(
      tolerance * Math.max(1, Math.abs(w)),
    );
  }
}

// mmcv takes neither weight nor bias of a norm for a bias
const kindOf = (name: string): ParameterKind =>
  /(^|\.)(bn|gn)\./.test(name) ? "norm" : name.endsWith(".bias") ? "bias" : "weight";

describe.each(backends)("Sgd on %s", (backend) => {
  beforeAll(() => useBackend(backend));
  let before = 0;
  beforeEach(() => {
    before = tf.memory().numTensors;
  });
  afterEach(() => {
    expect(tf.memory().numTensors, "tensors left behind").toBe(before);
  });

  it.each(goldenCases<SgdCase>("sgd"))("follows torch with momentum $momentum and decay $weightDecay", async (c) => {
    const parameters = new Map([
      ["p", parameter(c.p0)],
      ["q", parameter(c.q0)],
    ]);
    const [p, q] = [parameters.get("p")!, parameters.get("q")!];
    const sgd = createSgd(parameters, { momentum: c.momentum, weightDecay: c.weightDecay, clipNorm: null });
    for (const step of c.steps) {
      const gradients = {
        [p.variable.name]: tf.tensor1d([...step.gradP]),
        [q.variable.name]: tf.tensor1d([...step.gradQ]),
      };
      const norm = sgd.gradientNorm(gradients);
      sgd.step(gradients, norm, step.lr);
      tf.dispose([norm, gradients] as tf.TensorContainer);
      expectClose(await valuesOf(p), step.p);
      expectClose(await valuesOf(q), step.q);
      if (step.momentumP) expectClose((await sgd.readState()).get("p")!.data as Float32Array, step.momentumP);
    }
    sgd.dispose();
    tf.dispose([p.variable, q.variable]);
  });

  it.each(goldenCases<ClipCase>("grad-clip"))("clips a norm of $norm to $maxNorm as mmcv does", async (c) => {
    const parameters = new Map(c.grads.map((g, i) => [`p${i}`, parameter(g.map(() => 0))]));
    const all = [...parameters.values()];
    const sgd = createSgd(parameters, { weightDecay: 0, clipNorm: c.maxNorm });
    const gradients = Object.fromEntries(all.map(({ variable }, i) => [variable.name, tf.tensor1d([...c.grads[i]!])]));
    const norm = sgd.gradientNorm(gradients);
    expectClose(await norm.data(), [c.norm]);
    sgd.step(gradients, norm, 1);
    for (const [i, p] of all.entries()) {
      expectClose(
        await valuesOf(p),
        c.clipped[i]!.map((g) => -g),
      );
    }
    tf.dispose([norm, gradients] as tf.TensorContainer);
    sgd.dispose();
    for (const { variable } of all) variable.dispose();
  });

  it.each(goldenCases<GroupsCase>("param-groups"))("groups parameters as mmcv does with $paramwise", async (c) => {
    const { bias_lr_mult = 1, bias_decay_mult = 1, norm_decay_mult = 1, custom_keys = {} } = c.paramwise;
    // a custom key is what Parameter's own multipliers are for
    const multipliersOf = (name: string) => {
      const custom = Object.entries(custom_keys).find(([key]) => name.includes(key))?.[1];
      return custom && { learningRateMultiplier: custom.lr_mult, decayMultiplier: custom.decay_mult };
    };
    const rateAndDecay = async (value: number, gradient: number) => {
      const parameters = new Map(
        c.groups.map(({ name }) => {
          const multipliers = multipliersOf(name);
          return [name, { ...parameter([value], multipliers ? "weight" : kindOf(name)), ...multipliers }];
        }),
      );
      const sgd = createSgd(parameters, {
        clipNorm: null,
        rateFactors: { bias: bias_lr_mult },
        decayFactors: { bias: bias_decay_mult, norm: norm_decay_mult },
      });
      const gradients = Object.fromEntries(
        [...parameters.values()].map(({ variable }) => [variable.name, tf.tensor1d([gradient])]),
      );
      const norm = sgd.gradientNorm(gradients);
      sgd.step(gradients, norm, 0.01);
      const moved = await Promise.all([...parameters.values()].map(async (p) => (await valuesOf(p))[0]!));
      const state = await sgd.readState();
      const momenta = [...parameters.keys()].map((name) => Number(state.get(name)!.data[0]));
      tf.dispose([norm, gradients] as tf.TensorContainer);
      sgd.dispose();
      for (const { variable } of parameters.values()) variable.dispose();
      return { moved, momenta };
    };
    // a weight of 0 under a gradient of 1 moves by its rate; the momentum of a weight of 1 without gradient is its decay
    const { moved } = await rateAndDecay(0, 1);
    const { momenta } = await rateAndDecay(1, 0);
    for (const [i, { name, lr, weightDecay }] of c.groups.entries()) {
      expect(moved[i], name).toBeCloseTo(-lr, 8);
      expect(momenta[i], name).toBeCloseTo(weightDecay, 10);
    }
  });

  it("doubles the biases' rate and decays weights alone by default", async () => {
    const parameters = new Map(
      (["weight", "bias", "norm"] as const).map((kind) => [kind, parameter([1], kind)] as const),
    );
    const sgd = createSgd(parameters);
    const gradients = Object.fromEntries(
      [...parameters.values()].map(({ variable }) => [variable.name, tf.tensor1d([1])]),
    );
    const norm = sgd.gradientNorm(gradients);
    sgd.step(gradients, norm, 0.5);
    expect((await valuesOf(parameters.get("weight")!))[0]).toBeCloseTo(1 - 0.5 * (1 + 1e-4), 6);
    expect((await valuesOf(parameters.get("bias")!))[0]).toBeCloseTo(0, 6);
    expect((await valuesOf(parameters.get("norm")!))[0]).toBeCloseTo(0.5, 6);
    tf.dispose([norm, gradients] as tf.TensorContainer);
    sgd.dispose();
    for (const { variable } of parameters.values()) variable.dispose();
  });

  it("leaves a parameter without gradient alone", async () => {
    const parameters = new Map([
      ["a", parameter([1])],
      ["b", parameter([1])],
    ]);
    const sgd = createSgd(parameters, { weightDecay: 0.1 });
    const gradients = { [parameters.get("a")!.variable.name]: tf.tensor1d([1]) };
    const norm = sgd.gradientNorm(gradients);
    sgd.step(gradients, norm, 0.1);
    expect((await valuesOf(parameters.get("a")!))[0]).not.toBe(1);
    expect((await valuesOf(parameters.get("b")!))[0]).toBe(1);
    tf.dispose([norm, gradients] as tf.TensorContainer);
    sgd.dispose();
    for (const { variable } of parameters.values()) variable.dispose();
  });

  it("gives its momentum back, and refuses that of another model without a change", async () => {
    const parameters = new Map([
      ["a", parameter([1, 2])],
      ["b", parameter([3])],
    ]);
    const sgd = createSgd(parameters);
    const state = new Map<string, StoredArray>([
      ["a", { dtype: "F32", shape: [2], data: Float32Array.of(4, 5) }],
      ["b", { dtype: "F32", shape: [1], data: Float32Array.of(6) }],
      ["#steps", { dtype: "I32", shape: [1], data: Int32Array.of(9) }],
    ]);
    sgd.loadState(state);
    expect(await sgd.readState()).toEqual(state);
    const longer: StoredArray = { dtype: "F32", shape: [3], data: new Float32Array(3) };
    const whole: StoredArray = { dtype: "I32", shape: [1], data: Int32Array.of(1) };
    expect(() => sgd.loadState(new Map([["a", state.get("a")!]]))).toThrow(/"b" should be F32 \[1\], got nothing/);
    expect(() => sgd.loadState(new Map([...state, ["a", longer]]))).toThrow(/"a" should be F32 \[2\], got F32 \[3\]/);
    expect(() => sgd.loadState(new Map([...state, ["b", whole]]))).toThrow(CheckpointError);
    expect(() => sgd.loadState(new Map([...state].slice(0, 2)))).toThrow(/how many steps/);
    expect(await sgd.readState()).toEqual(state);
    sgd.dispose();
    for (const { variable } of parameters.values()) variable.dispose();
  });
});
