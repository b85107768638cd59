// Named shapes of the supernet. `paper` is the paper's (§3.4) with two separable convolutions a node, as in its model DynamicRouting;
// `small` and `tiny` are for small data and for tests.
import type { SupernetShape } from "./routing-space";

/** The shapes by name. */
export const PRESETS = {
  paper: { layers: 16, channels: [64, 128, 256, 512], sepConvs: 2, pyramid: 256 },
  small: { layers: 8, channels: [32, 64, 128, 256], sepConvs: 1, pyramid: 96 },
  tiny: { layers: 4, channels: [8, 16, 32, 64], sepConvs: 1, pyramid: 16 },
} as const satisfies Record<string, SupernetShape>;

/** A preset's name. */
export type PresetName = keyof typeof PRESETS;
