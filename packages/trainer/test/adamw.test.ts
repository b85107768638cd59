// AdamW against torch.optim.AdamW's rule in float64, on the composed operation (cpu) and the fused kernel (wasm).
import { createRandom, Module } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import { createAdamW } from "../src";

class Weights extends Module {
  constructor(values: readonly number[]) {
    super();
    this.parameter("weight", tf.tensor1d([...values]), "weight");
    this.parameter("bias", tf.tensor1d([0.5]), "bias");
  }
}

describe.each(backends)("AdamW on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  it("moves as the rule says over several steps, with decay and clipping", async () => {
    const random = createRandom(3);
    const n = 7; // not a whole number of lanes
    const p = Array.from({ length: n }, () => random.normal());
    const [m, v] = [new Float64Array(n), new Float64Array(n)];
    const module = new Weights(p);
    const before = tf.memory().numTensors;
    const [rate, beta1, beta2, epsilon, weightDecay, clipNorm] = [0.01, 0.9, 0.99, 1e-8, 0.1, 2];
    const optimizer = createAdamW(module.namedParameters(), { beta1, beta2, epsilon, weightDecay, clipNorm });
    const { variable } = module.namedParameters().get("weight")!;
    for (let t = 1; t <= 5; t++) {
      const g = Array.from({ length: n }, () => 2 * random.normal());
      const norm = Math.hypot(...g);
      const scale = Math.min(1, clipNorm / (norm + 1e-6));
      for (let i = 0; i < n; i++) {
        p[i]! *= 1 - rate * weightDecay;
        m[i] = beta1 * m[i]! + (1 - beta1) * g[i]! * scale;
        v[i] = beta2 * v[i]! + (1 - beta2) * (g[i]! * scale) ** 2;
        p[i]! -= (rate * (m[i]! / (1 - beta1 ** t))) / (Math.sqrt(v[i]! / (1 - beta2 ** t)) + epsilon);
      }
      const gradients = { [variable.name]: tf.tensor1d(g) };
      const total = optimizer.gradientNorm(gradients);
      optimizer.step(gradients, total, rate);
      tf.dispose([total, gradients[variable.name]!]);
    }
    const got = await variable.data();
    for (const [i, want] of p.entries()) expect(got[i]).toBeCloseTo(want, 5);
    optimizer.dispose();
    expect(tf.memory().numTensors).toBe(before);
    module.dispose();
  });

  it("goes on from a saved state, step count included", async () => {
    const module = new Weights([1, 2, 3]);
    const other = new Weights([1, 2, 3]);
    const [a, b] = [createAdamW(module.namedParameters()), createAdamW(other.namedParameters())];
    const step = (owner: Weights, optimizer: typeof a, value: number) => {
      const { variable } = owner.namedParameters().get("weight")!;
      const gradients = { [variable.name]: tf.tensor1d([value, -value, 1]) };
      const norm = optimizer.gradientNorm(gradients);
      optimizer.step(gradients, norm, 0.1);
      tf.dispose([norm, gradients[variable.name]!]);
      return variable;
    };
    step(module, a, 1);
    step(other, b, 1);
    b.loadState(await a.readState());
    const c = createAdamW(other.namedParameters());
    c.loadState(await a.readState());
    expect([...(await step(module, a, 3).data())]).toEqual([...(await step(other, c, 3).data())]);
    for (const x of [a, b, c, module, other]) x.dispose();
  });
});
