// The parts that a configuration can name on the command line. The first of each list is the default.
import type { ModelParts } from "@caddet/detector";
import { fcosFactory, retinaFactory } from "@caddet/heads";
import { supernetFactory } from "@caddet/supernet";

/** Backbones and heads by `type`: supernet; fcos, retinanet. */
export const parts: ModelParts = { backbones: [supernetFactory], heads: [fcosFactory, retinaFactory] };
