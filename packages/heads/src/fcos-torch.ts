// Weights of mmdetection's FCOSHead under this head's names and in its layout.
import { CheckpointError, fromTorchLayout, type StoredArray } from "@caddet/core";

const TOWERS: Readonly<Record<string, string>> = { cls_convs: "classTower", reg_convs: "boxTower" };
const PREDICTORS: Readonly<Record<string, string>> = {
  conv_cls: "classes",
  conv_reg: "distances",
  conv_centerness: "centerness",
};
const NORM_PARTS: Readonly<Record<string, string>> = {
  weight: "weight",
  bias: "bias",
  running_mean: "runningMean",
  running_var: "runningVariance",
};

// This head's name for mmdetection's, or undefined where there is none.
function renamed(name: string): string | undefined {
  const scale = /^scales\.(\d+)\.scale$/.exec(name);
  if (scale) return `scales.${scale[1]}.value`;
  const predictor = /^(conv_cls|conv_reg|conv_centerness)\.(weight|bias)$/.exec(name);
  if (predictor) return `${PREDICTORS[predictor[1]!]}.${predictor[2]}`;
  const conv = /^(cls_convs|reg_convs)\.(\d+)\.conv\.(weight|bias)$/.exec(name);
  if (conv) return `${TOWERS[conv[1]!]}.${conv[2]}.conv.${conv[3]}`;
  const norm = /^(cls_convs|reg_convs)\.(\d+)\.(?:gn|bn)\.(weight|bias|running_mean|running_var)$/.exec(name);
  if (norm) return `${TOWERS[norm[1]!]}.${norm[2]}.norm.${NORM_PARTS[norm[3]!]}`;
  return undefined;
}

/**
 * Converts the state of mmdetection's FCOSHead (full towers) for `FcosHead.loadStateDict`.
 *
 * | mmdetection | here |
 * | --- | --- |
 * | `cls_convs.I`, `reg_convs.I` | `classTower.I`, `boxTower.I` |
 * | `.conv.weight [out, in, k, k]` | `.conv.weight [k, k, in, out]` |
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
  { prefix = "" }: { readonly prefix?: string } = {},
): Map<string, StoredArray> {
  const out = new Map<string, StoredArray>();
  for (const [fullName, array] of state) {
    if (!fullName.startsWith(prefix)) continue;
    const name = fullName.slice(prefix.length);
    if (name.endsWith(".num_batches_tracked")) continue;
    const own = renamed(name);
    if (own === undefined) {
      throw new CheckpointError(
        `"${fullName}" is no weight of an FCOS head with full towers; give the prefix of the head's names.`,
        { name: fullName },
      );
    }
    if (name.startsWith("scales.")) {
      // mmcv stores a scalar; some exporters make it a vector of one.
      out.set(own, { ...array, shape: [] });
    } else {
      out.set(own, fromTorchLayout(array, array.shape.length === 4 ? "conv" : "vector", fullName));
    }
  }
  return out;
}
