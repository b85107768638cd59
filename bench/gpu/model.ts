// The detector that the parts "detect" and "onnx" run: preset "paper" with the FCOS head, weights drawn here, so that it finds nothing;
// its fresh routers open most paths.
import { createRandom } from "@caddet/core";
import { buildDetector, type Detector, type ModelConfig, type ModelParts, parseModelConfig } from "@caddet/detector";
import { fcosFactory } from "@caddet/heads";
import { supernetFactory } from "@caddet/supernet";
import { QUICK } from "./setting";

const PARTS: ModelParts = { backbones: [supernetFactory], heads: [fcosFactory] };

const TINY = { backbone: { preset: "tiny" }, head: { stackedConvs: 1, groups: 4 } };

/** By class index. */
export const CLASSES = Array.from({ length: 80 }, (_, n) => ({ id: n + 1, name: `class ${n + 1}` }));

/** Builds it on the current backend. */
export function buildModel(): { readonly detector: Detector; readonly config: ModelConfig } {
  const config = parseModelConfig(QUICK ? TINY : { backbone: { preset: "paper" } }, PARTS);
  return {
    config,
    detector: buildDetector(config, { parts: PARTS, numClasses: CLASSES.length, random: createRandom(0) }),
  };
}
