// What the demo's detector can be made of.
import type { ModelParts } from "@caddet/detector";
import { fcosFactory } from "@caddet/heads";
import { supernetFactory } from "@caddet/supernet";

/** One backbone, one head. */
export const parts: ModelParts = { backbones: [supernetFactory], heads: [fcosFactory] };
