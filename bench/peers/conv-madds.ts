// Counts the multiply-adds of what a TensorFlow.js backend runs, from the shapes of its convolutions and matrix products; nothing else
// is counted. It looks at the kernels, so that it counts any model alike, whoever wrote it.
import type * as Core from "@tensorflow/tfjs-core";

type Tfjs = Pick<typeof Core, "getKernelsForBackend" | "getBackend">;

const product = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

/** Multiply-adds a value of the result, by kernel. */
const PER_VALUE: Readonly<Record<string, (inputs: Core.NamedTensorInfoMap, attrs: Core.NamedAttrMap) => number>> = {
  Conv2D: ({ filter }) => product(filter!.shape.slice(0, 3)),
  FusedConv2D: ({ filter }) => product(filter!.shape.slice(0, 3)),
  DepthwiseConv2dNative: ({ filter }) => product(filter!.shape.slice(0, 2)),
  FusedDepthwiseConv2D: ({ filter }) => product(filter!.shape.slice(0, 2)),
  CaddetSepConv: ({ depthwise, pointwise }) =>
    product(pointwise!.shape.slice(0, 3)) + product(depthwise!.shape) / pointwise!.shape[3]!,
  BatchMatMul: ({ a }, { transposeA }) => a!.shape.at(transposeA ? -2 : -1)!,
  _FusedMatMul: ({ a }, { transposeA }) => a!.shape.at(transposeA ? -2 : -1)!,
};

/**
 * Runs something and counts.
 *
 * @param tf the TensorFlow.js that runs it, on its current backend
 * @param run what is counted
 * @returns multiply-adds
 */
export async function countMadds(tf: Tfjs, run: () => Promise<unknown>): Promise<number> {
  let madds = 0;
  const undo = tf.getKernelsForBackend(tf.getBackend()).flatMap((config) => {
    const perValue = PER_VALUE[config.kernelName];
    if (!perValue) return [];
    const { kernelFunc } = config;
    config.kernelFunc = (call) => {
      const result = kernelFunc(call);
      const [y] = [result].flat();
      madds += product(y!.shape) * perValue(call.inputs, call.attrs ?? {});
      return result;
    };
    return () => {
      config.kernelFunc = kernelFunc;
    };
  });
  try {
    await run();
  } finally {
    for (const restore of undo) restore();
  }
  return madds;
}
