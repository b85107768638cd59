// Weights of PyTorch MobileNets, ImageNet's above all, under this package's names and in TensorFlow's layout. They go into a backbone
// through `loadWeights` of @caddet/detector or core's `loadStateDict`. Arrays that are not known, the classifier among them, keep their
// names, so that a report has them as unexpected; the neck's are missing.
import { fromTorchLayout, type StoredArray, type TorchLayout } from "@caddet/core";

const NORM_PARTS: Readonly<Record<string, string>> = {
  weight: "weight",
  bias: "bias",
  running_mean: "runningMean",
  running_var: "runningVariance",
};
const NORM = "(weight|bias|running_mean|running_var)";

// The place of a convolution in a trunk.
interface Place {
  readonly layer: number;
  readonly conv: number;
}

type Target = readonly [name: string, layout: TorchLayout];

const convTarget = ({ layer, conv }: Place, layout: TorchLayout): Target => [
  `trunk.${layer}.${conv}.conv.weight`,
  layout,
];
const normTarget = ({ layer, conv }: Place, part: string): Target => [
  `trunk.${layer}.${conv}.norm.${NORM_PARTS[part]}`,
  "vector",
];

type Rule = readonly [pattern: RegExp, target: (groups: readonly string[]) => Target];

// torchvision's mobilenet_v2. The bottleneck of features.1 has no expansion: its depthwise convolution is its first, not its second.
const isDepthwiseV2 = ({ layer, conv }: Place) => conv === (layer === 1 ? 0 : 1);

const V2_RULES: readonly Rule[] = [
  [/^features\.(0|18)\.0\.weight$/, ([layer]) => convTarget({ layer: Number(layer), conv: 0 }, "conv")],
  [
    new RegExp(`^features\\.(0|18)\\.1\\.${NORM}$`),
    ([layer, part]) => normTarget({ layer: Number(layer), conv: 0 }, part!),
  ],
  [
    /^features\.(\d+)\.conv\.(\d)\.0\.weight$/,
    ([layer, conv]) => {
      const place = { layer: Number(layer), conv: Number(conv) };
      return convTarget(place, isDepthwiseV2(place) ? "depthwise" : "conv");
    },
  ],
  [
    new RegExp(`^features\\.(\\d+)\\.conv\\.(\\d)\\.1\\.${NORM}$`),
    ([layer, conv, part]) => normTarget({ layer: Number(layer), conv: Number(conv) }, part!),
  ],
  // The linear projection and its norm stand in the sequence itself.
  [/^features\.(1)\.conv\.1\.weight$/, ([layer]) => convTarget({ layer: Number(layer), conv: 1 }, "conv")],
  [new RegExp(`^features\\.(1)\\.conv\\.2\\.${NORM}$`), ([, part]) => normTarget({ layer: 1, conv: 1 }, part!)],
  [/^features\.(\d+)\.conv\.2\.weight$/, ([layer]) => convTarget({ layer: Number(layer), conv: 2 }, "conv")],
  [
    new RegExp(`^features\\.(\\d+)\\.conv\\.3\\.${NORM}$`),
    ([layer, part]) => normTarget({ layer: Number(layer), conv: 2 }, part!),
  ],
];

// The first pair of each of timm's stages.
const STAGE_STARTS: readonly number[] = [1, 2, 4, 6, 12];

const timmPlace = (stage: string, block: string, conv: number): Place => ({
  layer: STAGE_STARTS[Number(stage)]! + Number(block),
  conv,
});

const V1_RULES: readonly Rule[] = [
  // timm's mobilenetv1_100
  [/^conv_stem\.weight$/, () => convTarget({ layer: 0, conv: 0 }, "conv")],
  [new RegExp(`^bn1\\.${NORM}$`), ([part]) => normTarget({ layer: 0, conv: 0 }, part!)],
  [
    /^blocks\.([0-4])\.(\d)\.conv_(dw|pw)\.weight$/,
    ([stage, block, kind]) =>
      kind === "dw"
        ? convTarget(timmPlace(stage!, block!, 0), "depthwise")
        : convTarget(timmPlace(stage!, block!, 1), "conv"),
  ],
  [
    new RegExp(`^blocks\\.([0-4])\\.(\\d)\\.bn([12])\\.${NORM}$`),
    ([stage, block, norm, part]) => normTarget(timmPlace(stage!, block!, Number(norm) - 1), part!),
  ],
  // One sequence: a convolution and its norm, then pairs of dw, norm, ReLU, pw, norm, ReLU
  [/^(?:module\.)?(?:model|features)\.(0)\.0\.weight$/, () => convTarget({ layer: 0, conv: 0 }, "conv")],
  [
    /^(?:module\.)?(?:model|features)\.(\d+)\.([03])\.weight$/,
    ([layer, at]) =>
      at === "0"
        ? convTarget({ layer: Number(layer), conv: 0 }, "depthwise")
        : convTarget({ layer: Number(layer), conv: 1 }, "conv"),
  ],
  [
    new RegExp(`^(?:module\\.)?(?:model|features)\\.(\\d+)\\.([14])\\.${NORM}$`),
    ([layer, at, part]) => normTarget({ layer: Number(layer), conv: at === "1" ? 0 : 1 }, part!),
  ],
];

function renamed(arrays: ReadonlyMap<string, StoredArray>, rules: readonly Rule[]): Map<string, StoredArray> {
  const out = new Map<string, StoredArray>();
  for (const [name, array] of arrays) {
    if (name.endsWith(".num_batches_tracked")) continue;
    const rule = rules.find(([pattern]) => pattern.test(name));
    if (!rule) {
      out.set(name, array);
      continue;
    }
    const [target, layout] = rule[1](name.match(rule[0])!.slice(1));
    out.set(target, fromTorchLayout(array, layout, name));
  }
  return out;
}

/**
 * Maps the arrays of a PyTorch MobileNetV1 to a backbone's names. torchvision has none; two namings are known:
 * timm's `mobilenetv1_100` (`conv_stem`, `bn1`, `blocks.S.B.conv_dw`, `.bn1`, `.conv_pw`, `.bn2`), and one sequence named `model` or
 * `features` (`N.0` and `N.1` the first convolution and its norm, and each pair's depthwise ones; `N.3` and `N.4` the pointwise ones).
 *
 * @param arrays by PyTorch name, in PyTorch's layout, float32
 * @returns by this package's names, for a MobileNetV1 backbone; BN's batch counters are left out
 * @throws CheckpointError when an array has another rank or type than its name says
 * @example loadWeights(detector.backbone, mobileNetV1FromTorch(parseSafetensors(bytes).arrays)).missing // the neck's
 */
export function mobileNetV1FromTorch(arrays: ReadonlyMap<string, StoredArray>): Map<string, StoredArray> {
  return renamed(arrays, V1_RULES);
}

/**
 * Maps the arrays of torchvision's `mobilenet_v2` to a backbone's names.
 *
 * @param arrays by PyTorch name (`features.N…`), in PyTorch's layout, float32
 * @returns by this package's names, for a MobileNetV2 backbone; BN's batch counters are left out
 * @throws CheckpointError when an array has another rank or type than its name says
 * @example loadWeights(detector.backbone, mobileNetV2FromTorch(parseSafetensors(bytes).arrays)).unexpected // the classifier's
 */
export function mobileNetV2FromTorch(arrays: ReadonlyMap<string, StoredArray>): Map<string, StoredArray> {
  return renamed(arrays, V2_RULES);
}
