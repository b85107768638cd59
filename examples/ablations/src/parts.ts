// What the tables' detectors are made of.
import { mobileNetV1Factory, mobileNetV2Factory } from "@caddet/baselines";
import type { ModelParts } from "@caddet/detector";
import { fcosFactory, retinaFactory } from "@caddet/heads";
import { supernetFactory } from "@caddet/supernet";
import { neckedSupernetFactory } from "./necked-supernet";

/** Four backbones, two heads. */
export const parts: ModelParts = {
  backbones: [supernetFactory, neckedSupernetFactory, mobileNetV1Factory, mobileNetV2Factory],
  heads: [fcosFactory, retinaFactory],
};
