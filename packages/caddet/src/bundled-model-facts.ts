// What is known of the model that comes along. Written by scripts/bundle-model.ts together with the model's file.

/** Metrics are COCO's on the 350 images of val; `threshold` is the score of the best F1 there, `millionMadds` the mean of blocks and paths. */
export const BUNDLED_MODEL_FACTS = {
  name: "small",
  file: "models/small.safetensors",
  sha256: "a8c79410ed3155051fbe565147a8f96613eab990b7d5a623c9225d3724653505",
  trainedOn: "2,524 images of COCO train2017, shrunk to 400 pixels",
  metrics: {
    images: 350,
    AP: 0.0125,
    AP50: 0.0329,
    AP75: 0.006,
    APsmall: 0.0047,
    APmedium: 0.0306,
    APlarge: 0.0323,
    AR1: 0.0392,
    AR10: 0.074,
    AR100: 0.0747,
    ARsmall: 0.0091,
    ARmedium: 0.1017,
    ARlarge: 0.1713,
    threshold: 0.15,
    millionMadds: 31.3,
  },
} as const;
