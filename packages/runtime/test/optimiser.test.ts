import { beforeAll, describe, expect, it } from "vitest";
import {
  type Attrs,
  expectClose,
  FUSED_BACKENDS,
  type Input,
  kernelOutputs,
  seeded,
  uniform,
  useBackend,
} from "./harness";

for (const backend of FUSED_BACKENDS) {
  describe.skipIf(!backend.present)(`on ${backend.name}`, () => {
    beforeAll(() => useBackend(backend));
    const on = (kernel: string, inputs: Record<string, Input>, attrs: Attrs = {}) =>
      kernelOutputs(backend.tfBackend, kernel, inputs, attrs);

    it("CaddetSgd takes PyTorch's step", async () => {
      const random = seeded(2);
      // The last one is too large for a loop in JavaScript.
      for (const shape of [[], [3], [5, 7], [2, 3, 4, 4], [3, 7, 1000]]) {
        const [parameter, gradient, momentum] = [
          uniform(random, shape),
          uniform(random, shape),
          uniform(random, shape),
        ];
        const inputs = { parameter, gradient, momentum, gradientScale: { values: Float32Array.of(0.25), shape: [] } };
        const attrs = { learningRate: 0.1, momentum: 0.9, weightDecay: 0.01 };
        const [p, m] = await on("CaddetSgd", inputs, attrs);
        const speed = Array.from(
          parameter.values,
          (value, i) => 0.9 * momentum.values[i]! + 0.25 * gradient.values[i]! + 0.01 * value,
        );
        expectClose(m!, { values: speed, shape }, 1e-6);
        expectClose(p!, { values: speed.map((value, i) => parameter.values[i]! - 0.1 * value), shape }, 1e-6);
      }
    });

    it("CaddetSumOfSquares sums over all inputs in double precision", async () => {
      const random = seeded(3);
      // In float32 the ones would vanish next to 1e8.
      const x0 = { values: new Float32Array(1001).fill(1), shape: [7, 11, 13] };
      const x1 = { values: Float32Array.of(10_000), shape: [] };
      const [sum] = await on("CaddetSumOfSquares", { x0, x1 });
      expect(sum!.shape).toEqual([]);
      expect(sum!.values[0]).toBe(Math.fround(1e8 + 1001));
      const x2 = uniform(random, [333]);
      const expected = Array.from(x2.values).reduce((total, value) => total + value * value, 0);
      expectClose((await on("CaddetSumOfSquares", { x0: x2 }))[0]!, { values: [expected], shape: [] }, 1e-6);
    });

    it("CaddetSumOfSquares takes large inputs", async () => {
      const x = uniform(seeded(4), [3, 7, 1000]);
      const expected = Array.from(x.values).reduce((total, value) => total + value * value, 0);
      expectClose((await on("CaddetSumOfSquares", { x0: x, x1: x }))[0]!, { values: [2 * expected], shape: [] }, 1e-5);
    });
  });
}
