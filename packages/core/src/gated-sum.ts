// The sum of feature maps, each multiplied by one gate an image: what a node of a routed network receives.
import * as tf from "@tensorflow/tfjs-core";
import { ShapeError } from "./errors";
import { defineOperation, type KernelInputs } from "./kernels";

const mapsOf = (inputs: KernelInputs): tf.Tensor[] =>
  Object.keys(inputs)
    .filter((name) => name.startsWith("x"))
    .map((_, k) => inputs[`x${k}`]!);

// [B, K] -> [B, 1, 1, 1]
const gateOf = (gates: tf.Tensor, k: number) =>
  tf.reshape(tf.slice(gates as tf.Tensor2D, [0, k], [-1, 1]), [gates.shape[0]!, 1, 1, 1]);

const gatedSumOperation = defineOperation({
  name: "CaddetGatedSum",
  compose: (inputs) => [
    mapsOf(inputs)
      .map((x, k) => tf.mul(x, gateOf(inputs.gates!, k)))
      .reduce((a, b) => tf.add(a, b)),
  ],
});

const gatedSumGrad = defineOperation({
  name: "CaddetGatedSumGrad",
  compose: (inputs) => {
    const { dy, gates } = inputs;
    const maps = mapsOf(inputs);
    const dgates = tf.stack(
      maps.map((x) => tf.sum(tf.mul(x, dy!), [1, 2, 3])),
      1,
    ); // [B, K]
    return [dgates, ...maps.map((_, k) => tf.mul(dy!, gateOf(gates!, k)))];
  },
});

const named = (maps: readonly tf.Tensor[]) => Object.fromEntries(maps.map((x, k) => [`x${k}`, x]));

/**
 * Sums feature maps, each multiplied by its gate: `Σ_k gates[:, k] · maps[k]`.
 *
 * @param maps K maps `[B, H, W, C]` of one shape
 * @param gates `[B, K]`
 * @returns `[B, H, W, C]`, differentiable in maps and gates
 * @throws ShapeError when shapes differ or the gates do not match the maps
 * @example gatedSum([up, keep, down], gates)
 */
export function gatedSum(maps: readonly tf.Tensor4D[], gates: tf.Tensor2D): tf.Tensor4D {
  const [first] = maps;
  if (!first || gates.shape[1] !== maps.length || gates.shape[0] !== first.shape[0]) {
    throw new ShapeError(
      `gatedSum needs gates [B, K] for K maps of batch B, got gates [${gates.shape}] for ${maps.length} maps of shape [${first?.shape}].`,
    );
  }
  const other = maps.find((x) => x.shape.some((d, i) => d !== first.shape[i]));
  if (other) throw new ShapeError(`gatedSum needs maps of one shape, got [${first.shape}] and [${other.shape}].`);
  const run = tf.customGrad((...args) => {
    const save = args.pop() as unknown as tf.GradSaveFunc;
    const [g, ...xs] = args as unknown as [tf.Tensor, ...tf.Tensor[]];
    save([g, ...xs]);
    return {
      value: gatedSumOperation({ gates: g, ...named(xs) }, {})[0]!,
      gradFunc: (dy, saved) => {
        const [savedGates, ...savedMaps] = saved as unknown as [tf.Tensor, ...tf.Tensor[]];
        return gatedSumGrad({ dy: dy as tf.Tensor, gates: savedGates, ...named(savedMaps) }, {});
      },
    };
  });
  return run(gates, ...maps) as tf.Tensor4D;
}
