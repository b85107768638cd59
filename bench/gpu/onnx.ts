// The exported network in onnxruntime-node on its CUDA provider: preset "paper" on 640 × 800, batch 1, images to pyramid, one fixed route a
// row. Needs `pack.mjs --cuda`, and a driver for CUDA 13; fails where the provider does not load, with its words.
import { createRandom } from "@caddet/core";
import { exportOnnx } from "@caddet/onnx";
import { prepareBackend } from "@caddet/runtime/node";
import { Supernet } from "@caddet/supernet";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { buildModel } from "./model";
import { routeOf, SHARES } from "./routes";
import { QUICK, rounded, say, summary } from "./setting";

const SIZE = QUICK ? { height: 64, width: 64 } : { height: 640, width: 800 };
const [WARM_UP, RUNS] = QUICK ? [1, 1] : [3, 30];

// Exporting only reads weights.
await prepareBackend({ backend: "wasm" });
const { detector } = buildModel();
if (!(detector.backbone instanceof Supernet)) throw new Error("The model has no supernet.");
const paths = detector.backbone.space.paths.length;
const random = createRandom(0);
const pixels = Float32Array.from({ length: SIZE.height * SIZE.width * 3 }, () => 2 * random.next() - 1);
const images = new Tensor("float32", pixels, [1, SIZE.height, SIZE.width, 3]);
for (const share of SHARES) {
  const route = routeOf(paths, share);
  const bytes = await exportOnnx(detector, { output: "features", size: SIZE, mode: "fixed", route });
  // No other provider beside it: what CUDA lacks shall not run on the CPU unseen.
  const session = await InferenceSession.create(bytes, { executionProviders: ["cuda"] });
  const times: number[] = [];
  for (let n = 0; n < WARM_UP + RUNS; n++) {
    const start = performance.now();
    await session.run({ images });
    times.push(performance.now() - start);
  }
  await session.release();
  const counted = summary(times.slice(WARM_UP));
  const input = `1x${SIZE.height}x${SIZE.width}`;
  say({
    engine: "onnxruntime-node cuda",
    input,
    route: `${100 * share} %`,
    ...counted,
    images_per_s: rounded(1000 / counted.median_ms),
  });
}
detector.dispose();
