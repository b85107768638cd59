// A model file as `caddet train` writes one, untrained: it finds something in any picture if asked for low scores. And pictures.
import { createRandom } from "@caddet/core";
import { buildDetector, type ModelParts, parseModelConfig, serializeDetector } from "@caddet/detector";
import { fcosFactory } from "@caddet/heads";
import { prepareBackend } from "@caddet/runtime/node";
import { supernetFactory } from "@caddet/supernet";
import sharp from "sharp";

const parts: ModelParts = { backbones: [supernetFactory], heads: [fcosFactory] };
const MODEL = {
  backbone: { preset: "tiny" },
  head: { stackedConvs: 1, groups: 4, test: { scoreThreshold: 0.001 } },
};
const DATA = { shorter: 64, longer: 128, padTo: 32, mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] };

/** The model file's bytes. */
export async function tinyModel(): Promise<Uint8Array> {
  await prepareBackend({ backend: "wasm" });
  const classes = [
    { id: 7, name: "disc" },
    { id: 9, name: "square" },
  ];
  const config = parseModelConfig(MODEL, parts);
  const detector = buildDetector(config, { parts, numClasses: classes.length, random: createRandom(1) });
  const bytes = await serializeDetector({
    detector,
    config,
    classes,
    metadata: { training: JSON.stringify({ data: DATA }) },
  });
  detector.dispose();
  return bytes;
}

/** A picture file with noise of its own, and a bright square. */
export async function drawPicture(width: number, height: number, seed = 0, format: "png" | "jpeg" = "png") {
  const random = createRandom(seed);
  const pixels = Uint8Array.from({ length: width * height * 3 }, () => random.int(120));
  const at = random.int(width >> 1);
  for (let y = 0; y < height / 3; y++) pixels.fill(240, (y * width + at) * 3, (y * width + at + (width >> 2)) * 3);
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .toFormat(format)
    .toBuffer();
}
