import { beforeAll, describe, expect, it } from "vitest";
import { expectClose, FUSED_BACKENDS, type Input, kernelOutputs, seeded, sizeOf, uniform, useBackend } from "./harness";

describe.each(FUSED_BACKENDS.filter(({ present }) => present))("CaddetGatedSum on $name", (backend) => {
  beforeAll(() => useBackend(backend));
  const on = (kernel: string, inputs: Record<string, Input>) => kernelOutputs(backend.tfBackend, kernel, inputs);

  it("and its gradient agree with double precision, over paths, batches and odd sizes", async () => {
    const random = seeded(9);
    for (const [paths, shape] of [
      [1, [1, 3, 5, 7]],
      [2, [3, 5, 5, 3]],
      [3, [2, 20, 25, 6]],
      [4, [1, 1, 1, 1]],
      [7, [2, 3, 3, 5]],
    ] as [number, number[]][]) {
      const images = shape[0]!;
      const size = sizeOf(shape) / images;
      const gates = uniform(random, [images, paths]);
      const xs: Record<string, Input> = {};
      for (let k = 0; k < paths; k++) xs[`x${k}`] = uniform(random, shape);
      const dy = uniform(random, shape);
      const sum = new Float64Array(sizeOf(shape));
      const dgates = new Float64Array(images * paths);
      const dxs = Array.from({ length: paths }, () => new Float64Array(sizeOf(shape)));
      for (let b = 0; b < images; b++) {
        for (let k = 0; k < paths; k++) {
          for (let i = b * size; i < (b + 1) * size; i++) {
            sum[i]! += gates.values[b * paths + k]! * xs[`x${k}`]!.values[i]!;
            dgates[b * paths + k]! += dy.values[i]! * xs[`x${k}`]!.values[i]!;
            dxs[k]![i] = dy.values[i]! * gates.values[b * paths + k]!;
          }
        }
      }
      // The second time, the result's memory holds what the first left there.
      for (let round = 0; round < 2; round++) {
        expectClose((await on("CaddetGatedSum", { gates, ...xs }))[0]!, { values: sum, shape });
      }
      const outputs = await on("CaddetGatedSumGrad", { dy, gates, ...xs });
      expect(outputs).toHaveLength(paths + 1);
      expectClose(outputs[0]!, { values: dgates, shape: gates.shape });
      for (let k = 0; k < paths; k++) expectClose(outputs[k + 1]!, { values: dxs[k]!, shape });
    }
  });

  it("names the path that is missing or of another shape", async () => {
    const random = seeded(1);
    const [gates, x0] = [uniform(random, [1, 2]), uniform(random, [1, 2, 2, 4])];
    await expect(on("CaddetGatedSum", { gates, x0 })).rejects.toThrow(/no input 'x1'/);
    const x1 = uniform(random, [1, 2, 4, 4]);
    await expect(on("CaddetGatedSum", { gates, x0, x1 })).rejects.toThrow(
      /'x1' of shape \[1,2,4,4\]; expected \[1,2,2,4\]/,
    );
  });
});
