// What all rows of a table share: sizes of the networks, schedule, images. `paper` is the paper's (§4.1) and wants a GPU, `small` fits a
// COCO-format set of a few thousand images and a CPU, `drawn` is the demo's. What a row changes is in tables.ts.

import type { Size } from "@caddet/core";
import type { TrainConfigInput } from "@caddet/trainer";
import { demoConfig } from "@caddet-examples/demo/src/config";
import cocoMini from "@caddet-examples/train-coco/coco-mini.config";
import type { Row } from "./tables";

/** A part's configuration as one writes it. */
type Part = Readonly<Record<string, unknown>> & { readonly type: string };

/** What all rows of a table share. */
export interface Base {
  /** By head: everything but the model, and but what rows change. */
  readonly training: Readonly<Record<Row["head"], TrainConfigInput>>;
  readonly backbones: Readonly<Record<Row["backbone"], Part>>;
  readonly heads: Readonly<Record<Row["head"], Part>>;
  /** The network's input for which MAdds are counted, in pixels. The images of an evaluation may have others. */
  readonly size: Size;
}

/** The bases by name. */
export const BASE_NAMES = ["paper", "small", "drawn"] as const;

/** A base's name. */
export type BaseName = (typeof BASE_NAMES)[number];

// Table 1's caption and numbers imply C0 · Σs; Eq. 3 as printed would give at most C0.
const REDUCE = "sum";

// Killed runs lose little, and finished ones take little room.
const checkpoint = { everySteps: 100, keep: 2 } as const;

const supernets = (supernet: Part, depth: number) => ({
  supernet,
  "supernet-fpnlite": { type: "supernet-fpnlite", supernet, neck: { depth } },
});

function paper(table: number): Base {
  const isMain = table === 4;
  const common = { budget: { reduce: REDUCE }, checkpoint: { everySteps: 500, keep: 2 } } as const;
  return {
    training: {
      fcos: { ...common, recipe: isMain ? "main" : "ablation" },
      retinanet: { ...common, recipe: isMain ? "main-retina" : "ablation-retina" },
    },
    backbones: {
      ...supernets({ type: "supernet", preset: "paper" }, 128),
      // No one depth gives both of the paper's costs; each of these comes near its own.
      mobilenetv1: { type: "mobilenetv1", neck: { depth: 128 } },
      mobilenetv2: { type: "mobilenetv2", neck: { depth: 256 } },
    },
    heads: { fcos: { type: "fcos" }, retinanet: { type: "retinanet" } },
    size: isMain ? { height: 800, width: 1200 } : { height: 640, width: 800 },
  };
}

// A RetinaNet head as wide and deep as the FCOS head of the small bases.
const smallRetina = { type: "retinanet", channels: 64, stackedConvs: 2, tower: "separable", norm: "group", groups: 8 };

function small(): Base {
  const { model, ...training } = cocoMini;
  const both = { ...training, checkpoint };
  return {
    training: { fcos: both, retinanet: both },
    backbones: {
      ...supernets({ ...model?.backbone, type: "supernet" }, 64),
      // Widths at which a MobileNet with its neck costs about as much as the whole supernet.
      mobilenetv1: { type: "mobilenetv1", width: 0.25, neck: { depth: 64 } },
      mobilenetv2: { type: "mobilenetv2", width: 0.25, neck: { depth: 64 } },
    },
    heads: { fcos: { ...model?.head, type: "fcos" }, retinanet: { ...smallRetina, test: { scoreThreshold: 0.01 } } },
    size: { height: 192, width: 256 },
  };
}

function drawn(): Base {
  const { model, budget, seed: _, ...training } = demoConfig(0, 1400);
  const both = { ...training, budget: { ...budget, reduce: REDUCE }, checkpoint } as const;
  return {
    training: { fcos: both, retinanet: both },
    backbones: {
      ...supernets(model.backbone, 64),
      mobilenetv1: { type: "mobilenetv1", width: 0.1875, neck: { depth: 64 } },
      mobilenetv2: { type: "mobilenetv2", width: 0.125, neck: { depth: 64 } },
    },
    heads: { fcos: model.head, retinanet: smallRetina },
    size: { height: 192, width: 256 },
  };
}

/**
 * A base.
 *
 * @param name which one
 * @param table its number: the paper's Table 4 has larger images than the others
 * @returns the base
 */
export function baseOf(name: BaseName, table: number): Base {
  if (name === "paper") return paper(table);
  return name === "small" ? small() : drawn();
}
