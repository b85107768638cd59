// Weights of mmdetection's FCOSHead and RetinaHead under these heads' names and in their layout.
// It reads no files: core's `parseSafetensors` gives it arrays.
import { CheckpointError, fromTorchLayout, type StoredArray, type TorchLayout } from "@caddet/core";

const TOWERS: Readonly<Record<string, string>> = { cls_convs: "classTower", reg_convs: "boxTower" };
const NORM_PARTS: Readonly<Record<string, string>> = {
  weight: "weight",
  bias: "bias",
  running_mean: "runningMean",
  running_var: "runningVariance",
};

/** Where the names of a checkpoint's head begin. */
export interface TorchNameOptions {
  /** What stands before the head's names, e.g. "bbox_head."; default nothing. Other names are passed over. */
  readonly prefix?: string;
}

// A tower's name here, or undefined. In mmcv's separable layers, `depthwise_conv` and `pointwise_conv` are modules of their own.
function towerName(name: string): string | undefined {
  const depthwise = /^(cls_convs|reg_convs)\.(\d+)\.depthwise_conv\.conv\.weight$/.exec(name);
  if (depthwise) return `${TOWERS[depthwise[1]!]}.${depthwise[2]}.depthwise.weight`;
  const conv = /^(cls_convs|reg_convs)\.(\d+)\.(?:pointwise_conv\.)?conv\.(weight|bias)$/.exec(name);
  if (conv) return `${TOWERS[conv[1]!]}.${conv[2]}.conv.${conv[3]}`;
  const norm =
    /^(cls_convs|reg_convs)\.(\d+)\.(?:pointwise_conv\.)?(?:gn|bn)\.(weight|bias|running_mean|running_var)$/.exec(name);
  return norm ? `${TOWERS[norm[1]!]}.${norm[2]}.norm.${NORM_PARTS[norm[3]!]}` : undefined;
}

// A prediction layer's name here, or undefined.
function predictorName(name: string, predictors: Readonly<Record<string, string>>): string | undefined {
  const [layer, part, more] = name.split(".");
  const own = Object.hasOwn(predictors, layer!) ? predictors[layer!] : undefined;
  return own && more === undefined && (part === "weight" || part === "bias") ? `${own}.${part}` : undefined;
}

function layoutOf(own: string): TorchLayout {
  if (own.endsWith(".depthwise.weight")) return "depthwise";
  return own.endsWith("weight") && !own.includes("norm") ? "conv" : "vector";
}

function rename(
  state: ReadonlyMap<string, StoredArray>,
  prefix: string,
  predictors: Readonly<Record<string, string>>,
): Map<string, StoredArray> {
  const out = new Map<string, StoredArray>();
  for (const [fullName, array] of state) {
    if (!fullName.startsWith(prefix)) continue;
    const name = fullName.slice(prefix.length);
    if (name.endsWith(".num_batches_tracked")) continue;
    const scale = /^scales\.(\d+)\.scale$/.exec(name);
    if (scale) {
      // mmcv stores a scalar; some exporters make it a vector of one.
      out.set(`scales.${scale[1]}.value`, { ...array, shape: [] });
      continue;
    }
    const own = towerName(name) ?? predictorName(name, predictors);
    if (own === undefined) {
      throw new CheckpointError(
        `"${fullName}" is no weight of such a head: towers are full, or separable with neither norm nor bias between their two ` +
          "convolutions. Give the prefix of the head's names.",
        { name: fullName },
      );
    }
    out.set(own, fromTorchLayout(array, layoutOf(own), fullName));
  }
  return out;
}

/**
 * Converts the state of mmdetection's FCOSHead for `FcosHead.loadStateDict`. Towers may be full, or separable with neither norm nor bias
 * between their two convolutions; two towers are never one, so that a head with `sharedTowers` cannot take them.
 *
 * | mmdetection | here |
 * | --- | --- |
 * | `cls_convs.I`, `reg_convs.I` | `classTower.I`, `boxTower.I` |
 * | `.conv.weight [out, in, k, k]` | `.conv.weight [k, k, in, out]` |
 * | `.depthwise_conv.conv.weight [C, 1, k, k]` | `.depthwise.weight [k, k, C, 1]` |
 * | `.pointwise_conv.conv` | `.conv` |
 * | `.gn`, `.bn` | `.norm` |
 * | `conv_cls`, `conv_reg`, `conv_centerness` | `classes`, `distances`, `centerness` |
 * | `scales.L.scale` | `scales.L.value` |
 *
 * `num_batches_tracked` is left out.
 *
 * @param state arrays by mmdetection's name
 * @param options `prefix` of the head's names (e.g. "bbox_head."), default none; other names are passed over
 * @returns arrays by this head's name
 * @throws CheckpointError on a name under the prefix that an FCOS head does not have, or an array of the wrong rank
 * @example head.loadStateDict(fcosFromTorch(parseSafetensors(bytes).arrays, { prefix: "bbox_head." }))
 */
export function fcosFromTorch(
  state: ReadonlyMap<string, StoredArray>,
  { prefix = "" }: TorchNameOptions = {},
): Map<string, StoredArray> {
  return rename(state, prefix, { conv_cls: "classes", conv_reg: "distances", conv_centerness: "centerness" });
}

/**
 * Converts the state of mmdetection's RetinaHead for `RetinaHead.loadStateDict`: `retina_cls` and `retina_reg` are
 * `classes` and `deltas`, the rest is as in {@link fcosFromTorch}.
 *
 * @param state arrays by mmdetection's name
 * @param options `prefix` of the head's names (e.g. "bbox_head."), default none; other names are passed over
 * @returns arrays by this head's name
 * @throws CheckpointError on a name under the prefix that a RetinaNet head does not have, or an array of the wrong rank
 * @example head.loadStateDict(retinaFromTorch(parseSafetensors(bytes).arrays, { prefix: "bbox_head." }))
 */
export function retinaFromTorch(
  state: ReadonlyMap<string, StoredArray>,
  { prefix = "" }: TorchNameOptions = {},
): Map<string, StoredArray> {
  return rename(state, prefix, { retina_cls: "classes", retina_reg: "deltas" });
}
