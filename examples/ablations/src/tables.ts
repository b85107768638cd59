// The paper's four tables (§4.2, §4.4) as data: what each row changes, the figures that the paper prints beside it, and what it claims of
// them. Sizes of networks, schedules and images are a base's business: bases.ts.

/** A row's figures as the paper prints them, on COCO: mAP in percent, MAdds in millions. */
export interface PaperFigures {
  readonly ap: number;
  readonly mean: number;
  readonly max?: number;
  readonly min?: number;
  readonly std?: number;
}

/** What makes a row. */
export interface Row {
  /** Names the row's runs on disk. Rows of the same name, in whatever table, are the same runs. */
  readonly run: string;
  /** What the table's first columns say. */
  readonly labels: readonly string[];
  /** FPNLite is part of a MobileNet backbone. */
  readonly backbone: "supernet" | "supernet-fpnlite" | "mobilenetv1" | "mobilenetv2";
  readonly head: "fcos" | "retinanet";
  /** Absent where nothing is routed. `ratio` is C0 / C_tot. */
  readonly budget?: { readonly mapping: "fixed" | "loss" | "scale"; readonly ratio: number };
  /** Range of the path similarity (Eq. 8); absent: without it. */
  readonly similarity?: { readonly min: number; readonly max: number };
  readonly paper: PaperFigures;
}

/** What a claim is about: `std`, `mean` are of MAdds over the images. */
export type Measure = "ap" | "mean" | "std";

/** What the paper says of two rows. */
export interface Claim {
  readonly row: string;
  readonly against: string;
  /** "more" and "less" are strict; "no less" allows for equality. */
  readonly expected: readonly { readonly measure: Measure; readonly is: "more" | "less" | "no less" }[];
}

/** One table. */
export interface Table {
  readonly id: number;
  readonly title: string;
  /** Headings of the rows' labels. */
  readonly labels: readonly string[];
  /** Of `paper`: on which images and for which input MAdds are counted. */
  readonly paperSetup: string;
  /** Whether MAdds are of blocks and paths, C_net of Eq. 2, or of backbone and neck as a whole. */
  readonly counts: "routed" | "backbone and neck";
  readonly rows: readonly Row[];
  /** One sentence that the claims below make up. */
  readonly statement: string;
  readonly claims: readonly Claim[];
}

const caddet = { backbone: "supernet", head: "fcos" } as const;
const paperRange = { min: 0.6, max: 0.95 } as const;
const scale = (ratio: number) => ({ mapping: "scale", ratio }) as const;

// Table 1's last rows are Table 2's first: 26.2, 3912, 147.0. So Table 1 has no path similarity.
const globalOnly = (ratio: number) => ({ ...caddet, run: `scale-${ratio}`, budget: scale(ratio) });

const local = (min: number, max: number, paper: PaperFigures): Row => ({
  ...caddet,
  run: `scale-0.05-sim-${min}-${max}`,
  labels: ["+Local", String(min), String(max)],
  budget: scale(0.05),
  similarity: { min, max },
  paper,
});

const fixed = (ratio: number, paper: PaperFigures): Row => ({
  ...caddet,
  run: `fixed-${ratio}`,
  labels: ["Fixed", String(ratio)],
  budget: { mapping: "fixed", ratio },
  paper,
});

const lossAware = (ratio: number, paper: PaperFigures): Row => ({
  ...caddet,
  run: `loss-${ratio}`,
  labels: ["Loss-Aware", String(ratio)],
  budget: { mapping: "loss", ratio },
  paper,
});

const proposed = (ratio: number, paper: PaperFigures): Row => ({
  ...globalOnly(ratio),
  labels: ["Proposed", String(ratio)],
  paper,
});

const ON_VAL = "COCO val2017, input 640 × 800";

const table1: Table = {
  id: 1,
  title: "Budget constraints",
  labels: ["budget", "C0/C_tot"],
  paperSetup: ON_VAL,
  counts: "routed",
  rows: [
    fixed(0.1, { ap: 24.7, mean: 4210, max: 4470, min: 3969, std: 63.7 }),
    fixed(0.2, { ap: 25.5, mean: 4337, max: 4572, min: 4111, std: 76.5 }),
    lossAware(0.05, { ap: 25.7, mean: 4174, max: 4421, min: 3917, std: 83.5 }),
    lossAware(0.1, { ap: 25.9, mean: 4221, max: 4462, min: 3997, std: 87.2 }),
    proposed(0.05, { ap: 26.2, mean: 3912, max: 4492, min: 3458, std: 147.0 }),
    proposed(0.1, { ap: 26.4, mean: 4007, max: 4511, min: 3564, std: 135.3 }),
  ],
  statement: "Scale-aware budgets spread MAdds more than fixed ones, at no lower AP",
  // The caption pairs these: with four intervals, C0 and 4 · C0 lie around the fixed budget.
  claims: [
    ["scale-0.05", "fixed-0.1"],
    ["scale-0.1", "fixed-0.2"],
  ].map(([row, against]) => ({
    row: row!,
    against: against!,
    expected: [
      { measure: "std", is: "more" },
      { measure: "ap", is: "no less" },
    ],
  })),
};

const table2: Table = {
  id: 2,
  title: "Local path similarity",
  labels: ["method", "Min", "Max"],
  paperSetup: ON_VAL,
  counts: "routed",
  rows: [
    { ...globalOnly(0.05), labels: ["Global", "–", "–"], paper: { ap: 26.2, mean: 3912, std: 147.0 } },
    local(0.4, 0.95, { ap: 24.3, mean: 3753, std: 211.3 }),
    local(0.6, 0.95, { ap: 26.5, mean: 3725, std: 195.3 }),
    local(0.8, 0.95, { ap: 26.1, mean: 3901, std: 107.7 }),
    local(0.6, 0.9, { ap: 26.3, mean: 4011, std: 170.0 }),
    local(0.6, 1, { ap: 26.2, mean: 3951, std: 95.8 }),
  ],
  statement: "Path similarity from 0.6 to 0.95 spreads MAdds more than the global budget alone, at no lower AP",
  claims: [
    {
      row: "scale-0.05-sim-0.6-0.95",
      against: "scale-0.05",
      expected: [
        { measure: "std", is: "more" },
        { measure: "ap", is: "no less" },
      ],
    },
  ],
};

const structure = (ratio: number, neck: boolean, paper: PaperFigures): Row => ({
  backbone: neck ? "supernet-fpnlite" : "supernet",
  head: "fcos",
  run: `scale-${ratio}-sim-0.6-0.95${neck ? "-fpnlite" : ""}`,
  labels: [neck ? "CADDet+FPNLite" : "CADDet", String(ratio)],
  budget: scale(ratio),
  similarity: paperRange,
  paper,
});

const table3: Table = {
  id: 3,
  title: "With and without FPNLite",
  labels: ["structure", "C0/C_tot"],
  paperSetup: ON_VAL,
  counts: "backbone and neck",
  rows: [
    structure(0.05, false, { ap: 26.5, mean: 3725 }),
    structure(0.1, false, { ap: 26.4, mean: 3825 }),
    structure(0.05, true, { ap: 26.3, mean: 3952 }),
    structure(0.1, true, { ap: 26.8, mean: 4119 }),
  ],
  statement: "Without FPNLite, CADDet costs less at no lower AP",
  // With C0 = 0.1 the paper's own figures have the neck ahead by 0.4: what it claims is "comparable".
  claims: [0.05, 0.1].map((ratio) => ({
    row: `scale-${ratio}-sim-0.6-0.95`,
    against: `scale-${ratio}-sim-0.6-0.95-fpnlite`,
    expected: [
      { measure: "mean", is: "less" },
      { measure: "ap", is: "no less" },
    ],
  })),
};

const HEADS = { fcos: "FCOS", retinanet: "RetinaNet" } as const;

const baseline = (backbone: "mobilenetv1" | "mobilenetv2", head: "fcos" | "retinanet", paper: PaperFigures): Row => ({
  run: `${backbone}-${head}`,
  labels: [backbone === "mobilenetv1" ? "MobileNet+FPNLite" : "MobileNetV2+FPNLite", HEADS[head]],
  backbone,
  head,
  paper,
});

const caddetWith = (head: "fcos" | "retinanet", paper: PaperFigures): Row => ({
  run: `caddet-${head}`,
  labels: ["CADDet", HEADS[head]],
  backbone: "supernet",
  head,
  budget: scale(0.05),
  similarity: paperRange,
  paper,
});

const table4: Table = {
  id: 4,
  title: "CADDet and MobileNets, with two heads",
  labels: ["backbone and neck", "head"],
  paperSetup: "COCO val2017, input 800 × 1200",
  counts: "backbone and neck",
  rows: [
    baseline("mobilenetv1", "fcos", { ap: 25.2, mean: 11800 }),
    baseline("mobilenetv1", "retinanet", { ap: 25.1, mean: 11800 }),
    baseline("mobilenetv2", "fcos", { ap: 28.5, mean: 7800 }),
    baseline("mobilenetv2", "retinanet", { ap: 24.7, mean: 7800 }),
    caddetWith("fcos", { ap: 28.5, mean: 6500, max: 7600, min: 6000 }),
    caddetWith("retinanet", { ap: 27.1, mean: 6700, max: 8000, min: 6300 }),
  ],
  statement: "CADDet costs less than either MobileNet with FPNLite, at no lower AP",
  claims: (["fcos", "retinanet"] as const).flatMap((head) =>
    (["mobilenetv1", "mobilenetv2"] as const).map((backbone) => ({
      row: `caddet-${head}`,
      against: `${backbone}-${head}`,
      expected: [
        { measure: "mean", is: "less" },
        { measure: "ap", is: "no less" },
      ] as const,
    })),
  ),
};

/** The tables, in the paper's order. */
export const TABLES: readonly Table[] = [table1, table2, table3, table4];
