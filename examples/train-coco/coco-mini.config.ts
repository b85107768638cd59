// The `small` preset on a small COCO-format set (a few thousand images with a longer side of about 400 pixels), from scratch, sized for a
// CPU. FCOS with its later refinements, which learn faster from few images; regularisers as in the paper (§3.4).
import { defineConfig } from "@caddet/trainer";

export default defineConfig({
  model: {
    backbone: { preset: "small" },
    head: {
      channels: 64,
      stackedConvs: 2,
      tower: "separable",
      groups: 8,
      centerSampling: true,
      normOnBbox: true,
      centernessOnReg: true,
      boxLoss: "giou",
      test: { scoreThreshold: 0.01 },
    },
  },
  data: { shorter: 192, longer: 288, batchSize: 8 },
  optimizer: { type: "adamw", lr: 0.002, weightDecay: 0.02, clipNorm: 10 },
  schedule: { epochs: 30, policy: "cosine", warmupSteps: 300 },
  budget: { reduce: "sum", pixels: "source" },
  checkpoint: { everyEpochs: 1, keep: 2 },
});
