// The `small` preset on a small COCO-format set (a few thousand images with a longer side of about 400 pixels), sized for a CPU.
// Regularisers as in the paper (§3.4); batch and resolution are what two cores can do.
import { defineConfig } from "@caddet/trainer";

export default defineConfig({
  model: {
    backbone: { preset: "small" },
    head: { channels: 64, stackedConvs: 2, tower: "separable", groups: 8 },
  },
  data: { shorter: 192, longer: 288, batchSize: 8 },
  optimizer: { lr: 0.01 },
  schedule: { epochs: 24, policy: "cosine", warmupSteps: 200 },
  budget: { reduce: "sum", pixels: "source" },
  checkpoint: { everyEpochs: 1, keep: 2 },
});
