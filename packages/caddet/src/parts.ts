// The parts that a configuration can name on the command line. The first backbone and the first head are the defaults.
import { fpnLiteFactory, mobileNetV1Factory, mobileNetV2Factory } from "@caddet/baselines";
import type { ModelParts } from "@caddet/detector";
import { fcosFactory, retinaFactory } from "@caddet/heads";
import { supernetFactory } from "@caddet/supernet";

/** Parts by `type`: supernet, mobilenetv1, mobilenetv2; fpnlite, without which there is no neck; fcos, retinanet. */
export const parts: ModelParts = {
  backbones: [supernetFactory, mobileNetV1Factory, mobileNetV2Factory],
  necks: [fpnLiteFactory],
  heads: [fcosFactory, retinaFactory],
};
