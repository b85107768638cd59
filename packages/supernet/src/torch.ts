// Weights of a PyTorch CADDet by the names of a plain implementation (stem.0.1.weight, nodes.3_1.block.0.2.running_mean, …), mapped to
// this package's names and layouts. Arrays that it does not know keep their names, so that a strict load reports them.
import { fromTorchLayout, type StoredArray, type TorchLayout } from "@caddet/core";

const SEP_CONV_PARTS: Record<string, readonly [string, TorchLayout]> = {
  "0": ["depthwise", "depthwise"],
  "1": ["pointwise", "conv"],
};
const NORM_PARTS: Record<string, string> = {
  weight: "weight",
  bias: "bias",
  running_mean: "runningMean",
  running_var: "runningVariance",
};

const RULES: readonly [RegExp, (m: RegExpMatchArray) => readonly [string, TorchLayout]][] = [
  // SepConv k of a stem or block; ReLUs between them take the odd places
  [
    /^(stem|nodes\.\d+_\d+\.block)\.(\d+)\.([01])\.weight$/,
    ([, owner, k, part]) => [
      `${owner}.${Number(k) / 2}.${SEP_CONV_PARTS[part!]![0]}.weight`,
      SEP_CONV_PARTS[part!]![1],
    ],
  ],
  [
    /^(stem|nodes\.\d+_\d+\.block)\.(\d+)\.2\.(weight|bias|running_mean|running_var)$/,
    ([, owner, k, part]) => [`${owner}.${Number(k) / 2}.norm.${NORM_PARTS[part!]}`, "vector"],
  ],
  [/^(nodes\.\d+_\d+\.(?:up|down))\.0\.weight$/, ([, owner]) => [`${owner}.conv.weight`, "conv"]],
  [
    /^(nodes\.\d+_\d+\.(?:up|down))\.1\.(weight|bias|running_mean|running_var)$/,
    ([, owner, part]) => [`${owner}.norm.${NORM_PARTS[part!]}`, "vector"],
  ],
  [/^nodes\.\d+_\d+\.router\.squeeze\.weight$/, ([name]) => [name!, "conv"]],
  [/^nodes\.\d+_\d+\.router\.gate\.weight$/, ([name]) => [name!, "linear"]],
  [/^(?:project\.\d+|extra)\.weight$/, ([name]) => [name!, "conv"]],
];

/**
 * Maps the arrays of a PyTorch CADDet to this package's names and layouts.
 *
 * @param arrays by PyTorch name, in PyTorch's layout (weights, gradients or running moments alike)
 * @returns by this package's names, ready for `loadStateDict`; BN's batch counters are left out
 * @throws CheckpointError when an array has another rank than its name says
 * @example supernet.loadStateDict(supernetFromTorch(parseSafetensors(bytes).arrays))
 */
export function supernetFromTorch(arrays: ReadonlyMap<string, StoredArray>): Map<string, StoredArray> {
  const out = new Map<string, StoredArray>();
  for (const [name, array] of arrays) {
    if (name.endsWith(".num_batches_tracked")) continue;
    const rule = RULES.find(([pattern]) => pattern.test(name));
    const [target, layout] = rule ? rule[1](name.match(rule[0])!) : ([name, undefined] as const);
    out.set(target, layout ? fromTorchLayout(array, layout, name) : array);
  }
  return out;
}
