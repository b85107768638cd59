import { ConfigError, createRandom, readState, ShapeError } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { backends, onBackend } from "#test/backends";
import { createPoolRouter, poolRouterMadds, sigmoidGate } from "../src";

const B = 2;
const [H, W, C, K, HIDDEN] = [5, 3, 6, 3, 4];
const features = () => Float32Array.from({ length: B * H * W * C }, (_, i) => Math.sin(i) + 0.2);

type State = Awaited<ReturnType<typeof readState>>;

// The router in plain loops and float64.
function reference(x: Float32Array, state: State): number[] {
  const [sw, sb, gw, gb] = ["squeeze.weight", "squeeze.bias", "gate.weight", "gate.bias"].map(
    (name) => state.get(name)!.data as Float32Array,
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const gates: number[] = [];
  for (let b = 0; b < B; b++) {
    const average = new Float64Array(HIDDEN);
    for (let cell = 0; cell < 4; cell++) {
      const [i, j] = [cell >> 1, cell & 1];
      const rows = [Math.floor((i * H) / 2), Math.ceil(((i + 1) * H) / 2)] as const;
      const columns = [Math.floor((j * W) / 2), Math.ceil(((j + 1) * W) / 2)] as const;
      const pooled = new Float64Array(C);
      const count = (rows[1] - rows[0]) * (columns[1] - columns[0]);
      for (let y = rows[0]; y < rows[1]; y++)
        for (let xx = columns[0]; xx < columns[1]; xx++)
          for (let c = 0; c < C; c++) pooled[c]! += x[((b * H + y) * W + xx) * C + c]! / count;
      for (let h = 0; h < HIDDEN; h++) {
        let sum = sb[h]!;
        for (let c = 0; c < C; c++) sum += pooled[c]! * sw[c * HIDDEN + h]!;
        average[h]! += Math.max(sum, 0) / 4;
      }
    }
    for (let k = 0; k < K; k++) {
      let sum = gb[k]!;
      for (let h = 0; h < HIDDEN; h++) sum += average[h]! * gw[h * K + k]!;
      gates.push(Math.max(Math.tanh(sum), 0));
    }
  }
  return gates;
}

describe.each(backends)("pool router on %s", (backend) => {
  it("equals a plain reading of its definition, for maps of odd size", () =>
    onBackend(backend, async () => {
      for (const bias of [1.5, 0.1, -0.1]) {
        const router = createPoolRouter({ channels: C, paths: K, bias, random: createRandom(1) });
        const x = tf.tensor4d(features(), [B, H, W, C]);
        const gates = router.forward(x);
        expect(gates.shape).toEqual([B, K]);
        const want = reference(features(), await readState(router));
        const got = await gates.data();
        for (const [i, v] of want.entries()) expect(got[i]).toBeCloseTo(v, 5);
        router.dispose();
        tf.dispose([x, gates]);
      }
    }));

  it("has the gradients of finite differences in every parameter and in the features", () =>
    onBackend(backend, async () => {
      const router = createPoolRouter({ channels: C, paths: K, bias: 0.4, random: createRandom(2) });
      const state = await readState(router);
      const x = tf.tensor4d(features(), [B, H, W, C]);
      const slopes = tf.tensor2d([1, -2, 3, 0.5, 1.5, -1], [B, K]);
      const loss = () => tf.sum(tf.mul(router.forward(x), slopes)) as tf.Scalar;
      const { value, grads } = tf.variableGrads(loss, [...router.stateDict().values()]);
      const weigh = (gates: number[]) => gates.reduce((sum, g, i) => sum + g * [1, -2, 3, 0.5, 1.5, -1][i]!, 0);
      for (const [name, variable] of router.stateDict()) {
        const got = await grads[variable.name]!.data();
        const stored = state.get(name)!;
        const data = stored.data as Float32Array;
        const h = 1 / 1024;
        for (const i of data.keys()) {
          const moved = (d: number) =>
            weigh(reference(features(), new Map([...state, [name, { ...stored, data: data.with(i, data[i]! + d) }]])));
          expect(Math.abs(got[i]! - (moved(h) - moved(-h)) / (2 * h)), `${name}[${i}]`).toBeLessThan(2e-3);
        }
      }
      const dx = tf.grad((input) => tf.sum(tf.mul(router.forward(input as tf.Tensor4D), slopes)))(x);
      const got = await dx.data();
      const h = 1 / 64;
      for (const i of got.keys()) {
        const moved = (d: number) => weigh(reference(features().with(i, features()[i]! + d), state));
        expect(Math.abs(got[i]! - (moved(h) - moved(-h)) / (2 * h)), `x[${i}]`).toBeLessThan(2e-3);
      }
      router.dispose();
      tf.dispose([x, slopes, value, grads, dx]);
    }));

  it("takes a map of one cell", () =>
    onBackend(backend, async () => {
      const router = createPoolRouter({ channels: C, paths: K, random: createRandom(3) });
      const x = tf.ones<tf.Rank.R4>([1, 1, 1, C]);
      const gates = router.forward(x);
      expect((await gates.data()).every((g) => g >= 0 && g <= 1)).toBe(true);
      router.dispose();
      tf.dispose([x, gates]);
    }));
});

describe("createPoolRouter", () => {
  it("names and sizes its parameters, and opens all paths at the start", async () => {
    const router = createPoolRouter({ channels: 64, paths: 3, random: createRandom(0) });
    const shapes = [...router.stateDict()].map(([name, v]) => [name, v.shape]);
    expect(shapes).toEqual([
      ["squeeze.weight", [1, 1, 64, 32]],
      ["squeeze.bias", [32]],
      ["gate.weight", [32, 3]],
      ["gate.bias", [3]],
    ]);
    const state = await readState(router);
    expect(state.get("gate.bias")!.data).toEqual(Float32Array.of(1.5, 1.5, 1.5));
    expect((state.get("squeeze.bias")!.data as Float32Array).every((v) => v === 0)).toBe(true);
    const weight = state.get("squeeze.weight")!.data as Float32Array;
    const variance = weight.reduce((sum, v) => sum + v * v, 0) / weight.length;
    expect(variance / (2 / 64)).toBeGreaterThan(0.9);
    expect(variance / (2 / 64)).toBeLessThan(1.1);
    router.dispose();
  });

  it("starts with the same weights for the same seed", async () => {
    const make = () => createPoolRouter({ channels: 8, paths: 2, random: createRandom(5) });
    const [a, b] = [make(), make()];
    expect(await readState(a)).toEqual(await readState(b));
    a.dispose();
    b.dispose();
  });

  it("counts the convolution on the pooled cells and the linear map", () => {
    const router = createPoolRouter({ channels: 64, paths: 3, random: createRandom(0) });
    expect(router.madds(80, 100)).toBe(4 * 64 * 32 + 32 * 3);
    expect(poolRouterMadds({ channels: 64, paths: 3 })).toBe(router.madds(80, 100));
    expect(poolRouterMadds({ channels: 3, paths: 1 })).toBe(4 * 3 * 4 + 4);
    router.dispose();
    const other = createPoolRouter({ channels: 5, paths: 2, hidden: 7, pool: 3, random: createRandom(0) });
    expect(other.madds(1, 1)).toBe(9 * 5 * 7 + 7 * 2);
    other.dispose();
  });

  it("keeps at least 4 inner channels", () => {
    const router = createPoolRouter({ channels: 3, paths: 1, random: createRandom(0) });
    expect(router.stateDict().get("squeeze.bias")!.shape).toEqual([4]);
    router.dispose();
  });

  it("refuses sizes that are none, and features of other channels", () => {
    expect(() => createPoolRouter({ channels: 0, paths: 3, random: createRandom(0) })).toThrow(ConfigError);
    expect(() => createPoolRouter({ channels: 8, paths: 1.5, random: createRandom(0) })).toThrow("paths must be");
    const router = createPoolRouter({ channels: 8, paths: 2, random: createRandom(0) });
    const x = tf.zeros<tf.Rank.R4>([1, 2, 2, 4]);
    expect(() => router.forward(x)).toThrow(new ShapeError("This router needs features [B, H, W, 8], got [1,2,2,4]."));
    router.dispose();
    x.dispose();
  });

  it("frees all that it made", async () => {
    await tf.setBackend("cpu");
    const before = tf.memory().numTensors;
    createPoolRouter({ channels: 8, paths: 2, random: createRandom(0) }).dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("a pool router's settings", () => {
  it("hold its sizes and its gate's settings", () => {
    const random = createRandom(0);
    const plain = createPoolRouter({ channels: 10, paths: 3, random });
    expect(plain.settings).toEqual({ channels: 10, paths: 3, hidden: 5, pool: 2, gate: { kind: "tanh" } });
    const gate = sigmoidGate({ threshold: 0.25 });
    const other = createPoolRouter({ channels: 10, paths: 2, hidden: 7, pool: 3, gate, random });
    expect(other.settings).toEqual({ channels: 10, paths: 2, hidden: 7, pool: 3, gate: gate.settings });
    plain.dispose();
    other.dispose();
  });

  it("have no gate where it is a function of one's own", () => {
    const router = createPoolRouter({ channels: 4, paths: 1, gate: (x) => tf.clone(x), random: createRandom(0) });
    expect(router.settings.gate).toBeUndefined();
    router.dispose();
  });
});
