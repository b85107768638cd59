// What all gates share, on every backend: values in [0, 1], gradients of finite differences, repeatable noise, no tensor left.
import { ConfigError, createRandom } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { backends, onBackend } from "#test/backends";
import {
  createPoolRouter,
  expectedL0,
  type Gate,
  gumbelGate,
  hardConcreteGate,
  hardConcreteOpenProbability,
  sigmoidGate,
  tanhGate,
} from "../src";

// Each call makes the gate anew, so that its noise begins from the seed.
const gates: Readonly<Record<string, (seed?: number) => Gate>> = {
  tanh: () => tanhGate(),
  sigmoid: () => sigmoidGate(),
  "hard concrete": (seed = 3) => hardConcreteGate({ random: createRandom(seed) }),
  gumbel: (seed = 3) => gumbelGate({ random: createRandom(seed) }),
  "straight-through gumbel": (seed = 3) => gumbelGate({ random: createRandom(seed), straightThrough: true }),
};
const smooth = Object.entries(gates).filter(([name]) => name !== "straight-through gumbel");
const random = Object.entries(gates).filter(([name]) => /concrete|gumbel/.test(name));
const LOGITS = Float32Array.of(-2.5, -1.2, -0.3, 0.2, 0.6, 1.5, 2.7, -0.7);
const WEIGHTS = [1, -2, 3, 0.5, 1.5, -1, 2, -0.5];
const values = async (gate: Gate, logits: Float32Array, training: boolean) => {
  const x = tf.tensor2d(logits, [2, logits.length / 2]);
  const y = gate(x, { training });
  const data = await y.data<"float32">();
  tf.dispose([x, y]);
  return data;
};

describe.each(backends)("every gate on %s", (backend) => {
  it.each(Object.entries(gates))("lies in [0, 1] for any logits and leaves its result alone: %s", (_, make) =>
    onBackend(backend, async () => {
      const logits = Float32Array.from({ length: 2000 }, (_, i) => ((i % 200) - 100) * (i % 3 === 0 ? 1 : 0.05));
      for (const training of [true, false]) {
        const x = tf.tensor2d(logits, [20, 100]);
        const before = tf.memory().numTensors;
        const y = make()(x, { training });
        expect(tf.memory().numTensors - before).toBe(1);
        expect(y.shape).toEqual([20, 100]);
        expect((await y.data()).every((g) => g >= 0 && g <= 1)).toBe(true);
        tf.dispose([x, y]);
      }
    }),
  );

  it.each(smooth)("has the gradient of finite differences in training: %s", (_, make) =>
    onBackend(backend, async () => {
      const weigh = async (logits: Float32Array) =>
        (await values(make(), logits, true)).reduce((sum, g, i) => sum + g * WEIGHTS[i]!, 0);
      const x = tf.tensor2d(LOGITS, [2, 4]);
      const weights = tf.tensor2d(WEIGHTS, [2, 4]);
      const grad = tf.grad((logits) => tf.sum(tf.mul(make()(logits as tf.Tensor2D, { training: true }), weights)))(x);
      const got = await grad.data();
      const h = 1 / 128;
      for (const [i, v] of LOGITS.entries()) {
        const slope = ((await weigh(LOGITS.with(i, v + h))) - (await weigh(LOGITS.with(i, v - h)))) / (2 * h);
        expect(Math.abs(got[i]! - slope), `logit ${v}`).toBeLessThan(1e-3);
      }
      expect(got.some((g) => g !== 0)).toBe(true);
      tf.dispose([x, weights, grad]);
    }),
  );

  it.each(random)("draws by its seed in training, anew in each call, and not at inference: %s", (_, make) =>
    onBackend(backend, async () => {
      const gate = make(1);
      const first = await values(gate, LOGITS, true);
      const second = await values(gate, LOGITS, true);
      expect(await values(make(1), LOGITS, true)).toEqual(first);
      const many = new Float32Array(200).fill(0.1);
      expect(await values(make(2), many, true)).not.toEqual(await values(make(1), many, true));
      expect(second).not.toEqual(first);
      expect(await values(gate, LOGITS, false)).toEqual(await values(make(9), LOGITS, false));
    }),
  );

  it.each(Object.entries(gates))(
    "trains the router that it is given to, and keeps the parameters' names: %s",
    (_, make) =>
      onBackend(backend, async () => {
        const router = createPoolRouter({ channels: 6, paths: 3, bias: 0.3, gate: make(), random: createRandom(2) });
        expect([...router.stateDict().keys()]).toEqual(["squeeze.weight", "squeeze.bias", "gate.weight", "gate.bias"]);
        const x = tf.randomNormal<tf.Rank.R4>([4, 5, 3, 6], 0, 1, "float32", 1);
        const { value, grads } = tf.variableGrads(() => tf.sum(router.forward(x, { training: true })) as tf.Scalar);
        for (const grad of Object.values(grads)) {
          const data = await grad.data();
          expect(data.every(Number.isFinite)).toBe(true);
          expect(data.some((g) => g !== 0)).toBe(true);
        }
        const [plain, inferred, logits] = [router.forward(x), router.forward(x, { training: false }), router.logits(x)];
        const again = make()(logits, { training: false });
        expect(await plain.data()).toEqual(await inferred.data());
        expect(await again.data()).toEqual(await inferred.data());
        router.dispose();
        tf.dispose([x, value, grads, plain, inferred, logits, again] as tf.TensorContainer);
      }),
  );
});

describe.each(backends)("single gates on %s", (backend) => {
  it("tanhGate is relu(tanh(·))", () =>
    onBackend(backend, async () => {
      const got = await values(tanhGate(), LOGITS, true);
      for (const [i, v] of LOGITS.entries()) expect(got[i]).toBeCloseTo(Math.max(Math.tanh(v), 0), 6);
    }));

  it("sigmoidGate closes at inference what lies below its threshold, and only then", () =>
    onBackend(backend, async () => {
      const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
      const [soft, closed] = [await values(sigmoidGate(), LOGITS, true), await values(sigmoidGate(), LOGITS, false)];
      const low = await values(sigmoidGate({ threshold: 0.25 }), LOGITS, false);
      for (const [i, v] of LOGITS.entries()) {
        expect(soft[i]).toBeCloseTo(sigmoid(v), 6);
        expect(closed[i]).toBeCloseTo(v >= 0 ? sigmoid(v) : 0, 6);
        expect(low[i]).toBeCloseTo(sigmoid(v) >= 0.25 ? sigmoid(v) : 0, 6);
      }
    }));

  it("gumbelGate opens as often as sigmoid(logit) says, and by the sign at inference", () =>
    onBackend(backend, async () => {
      const n = 4000;
      const logits = Float32Array.from({ length: 3 * n }, (_, i) => [-1, 0, 1.5][i % 3]!);
      const hard = await values(gumbelGate({ random: createRandom(4), straightThrough: true }), logits, true);
      const soft = await values(gumbelGate({ random: createRandom(4) }), logits, true);
      for (const [j, p] of [0.26894, 0.5, 0.81757].entries()) {
        const open = hard.filter((g, i) => i % 3 === j && g === 1).length / n;
        expect(Math.abs(open - p), `of ${p}`).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / n));
      }
      expect(hard.every((g, i) => g === (soft[i]! >= 0.5 ? 1 : 0))).toBe(true);
      expect(Array.from(await values(gumbelGate({ random: createRandom(4) }), LOGITS, false))).toEqual(
        Array.from(LOGITS, (v) => (v >= 0 ? 1 : 0)),
      );
    }));

  it("gumbelGate is the closer to 0 and 1, the lower its temperature", () =>
    onBackend(backend, async () => {
      const unrest = async (temperature: number) => {
        const got = await values(gumbelGate({ random: createRandom(4), temperature }), new Float32Array(400), true);
        return got.reduce((sum, g) => sum + Math.min(g, 1 - g), 0) / 400;
      };
      const [low, middle, high] = [await unrest(0.1), await unrest(2 / 3), await unrest(5)];
      expect(low).toBeLessThan(middle);
      expect(middle).toBeLessThan(high);
    }));

  it("passes the relaxed gate's gradient straight through", () =>
    onBackend(backend, async () => {
      const x = tf.tensor2d(LOGITS, [2, 4]);
      const weights = tf.tensor2d(WEIGHTS, [2, 4]);
      const gradOf = (straightThrough: boolean) => {
        const gate = gumbelGate({ random: createRandom(3), straightThrough });
        return tf.grad((logits) => tf.sum(tf.mul(gate(logits as tf.Tensor2D, { training: true }), weights)))(x);
      };
      const [hard, soft] = [gradOf(true), gradOf(false)];
      expect(await hard.data()).toEqual(await soft.data());
      tf.dispose([x, weights, hard, soft]);
    }));

  it("hardConcreteGate is its own definition at inference, with both ends reached", () =>
    onBackend(backend, async () => {
      const logits = Float32Array.of(-4, -2.3, 0, 1, 2.3, 4);
      const got = await values(hardConcreteGate({ random: createRandom(0) }), logits, false);
      for (const [i, v] of logits.entries()) {
        expect(got[i]).toBeCloseTo(Math.min(1, Math.max(0, 1.2 / (1 + Math.exp(-v)) - 0.1)), 6);
      }
      expect([got[0], got[5]]).toEqual([0, 1]);
    }));

  it("hardConcreteGate is open as often as hardConcreteOpenProbability says", () =>
    onBackend(backend, async () => {
      const n = 4000;
      for (const shape of [{}, { beta: 0.4, gamma: -0.3, zeta: 1.2 }]) {
        const logits = Float32Array.from({ length: 2 * n }, (_, i) => [-1, 1][i % 2]!);
        const sampled = await values(hardConcreteGate({ random: createRandom(6), ...shape }), logits, true);
        const x = tf.tensor2d([[-1, 1]]);
        const probability = hardConcreteOpenProbability(x, shape);
        for (const [j, p] of (await probability.data()).entries()) {
          const open = sampled.filter((g, i) => i % 2 === j && g > 0).length / n;
          expect(Math.abs(open - p), `of ${p}`).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / n));
        }
        tf.dispose([x, probability]);
      }
    }));

  it("expectedL0 sums the probabilities of each image, with the gradient of finite differences", () =>
    onBackend(backend, async () => {
      const p = (v: number) => 1 / (1 + Math.exp(-(v - (2 / 3) * Math.log(0.1 / 1.1))));
      const x = tf.tensor2d(LOGITS, [2, 4]);
      const before = tf.memory().numTensors;
      const penalty = expectedL0(x);
      expect(tf.memory().numTensors - before).toBe(1);
      const grad = tf.grad((logits) => expectedL0(logits as tf.Tensor2D))(x);
      const [got, slopes] = [await penalty.data(), await grad.data()];
      for (const b of [0, 1]) {
        const want = LOGITS.subarray(4 * b, 4 * b + 4).reduce((sum, v) => sum + p(v), 0);
        expect(got[b]).toBeCloseTo(want, 5);
      }
      const h = 1e-4;
      for (const [i, v] of LOGITS.entries()) expect(slopes[i]).toBeCloseTo((p(v + h) - p(v - h)) / (2 * h), 5);
      tf.dispose([x, penalty, grad]);
    }));
});

describe("gate options", () => {
  it.each([
    ["sigmoidGate", () => sigmoidGate({ threshold: 1.2 }), "lies in [0, 1], got 1.2"],
    ["gumbelGate", () => gumbelGate({ random: createRandom(0), temperature: 0 }), "temperature must be positive"],
    ["hardConcreteGate", () => hardConcreteGate({ random: createRandom(0), gamma: 0 }), "got gamma 0 and zeta 1.1"],
    ["hardConcreteGate", () => hardConcreteGate({ random: createRandom(0), zeta: 1 }), "zeta > 1"],
    ["hardConcreteGate", () => hardConcreteGate({ random: createRandom(0), beta: -1 }), "beta must be positive"],
  ])("are checked: %s", (_, make, message) => {
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(message);
  });
});

describe("a gate", () => {
  it("says how it was made", () => {
    const random = createRandom(0);
    expect(tanhGate().settings).toEqual({ kind: "tanh" });
    expect(sigmoidGate({ threshold: 0.7 }).settings).toEqual({ kind: "sigmoid", threshold: 0.7 });
    expect(hardConcreteGate({ random, gamma: -0.2 }).settings).toEqual({
      kind: "hard-concrete",
      beta: 2 / 3,
      gamma: -0.2,
      zeta: 1.1,
    });
    expect(gumbelGate({ random, temperature: 2, straightThrough: true }).settings).toEqual({
      kind: "gumbel",
      temperature: 2,
      straightThrough: true,
    });
  });
});
