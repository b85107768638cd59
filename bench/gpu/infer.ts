// Routed inference: the frozen preset "paper" on 640 × 800, batch 1, images to pyramid, on forced routes of which 25, 50, 75 and 100 % are
// open, and with routers that decide. A run ends when the coarsest map has been read, which is computed last. A row a route.
import { createRandom } from "@caddet/core";
import { createSupernet, PRESETS } from "@caddet/supernet";
import * as tf from "@tensorflow/tfjs-core";
import { routeOf, SHARES } from "./routes";
import { memory, prepare, QUICK, rounded, say, summary } from "./setting";

const SIZE = QUICK ? { height: 64, width: 64 } : { height: 640, width: 800 };
const [WARM_UP, RUNS] = QUICK ? [1, 1] : [3, 30];

const { device, software } = await prepare();
const random = createRandom(0);
const net = createSupernet({ ...PRESETS.paper, random });
const frozen = net.freeze();
net.dispose();
const pixels = Float32Array.from({ length: SIZE.height * SIZE.width * 3 }, () => 2 * random.next() - 1);
const images = tf.tensor4d(pixels, [1, SIZE.height, SIZE.width, 3]);

async function time(route: string, gates?: Float32Array): Promise<void> {
  const times: number[] = [];
  let madds = 0;
  for (let n = 0; n < WARM_UP + RUNS; n++) {
    const start = performance.now();
    const { features, madds: executed } = await frozen.forwardRouted(images, gates ? { gates } : {});
    const values = await features.maps.at(-1)!.data();
    times.push(performance.now() - start);
    tf.dispose([...features.maps]);
    if (!values.every(Number.isFinite))
      throw new Error(`on the route ${route} the pyramid has values that are not finite`);
    madds = executed[0]!;
  }
  const counted = summary(times.slice(WARM_UP));
  const rate = {
    images_per_s: rounded(1000 / counted.median_ms),
    gmadds_per_s: rounded(madds / counted.median_ms / 1e6),
  };
  say({
    preset: "paper",
    input: `1x${SIZE.height}x${SIZE.width}`,
    route,
    madds,
    ...counted,
    ...rate,
    ...memory(),
    device,
    software,
  });
}

await frozen.warmup(SIZE);
for (const share of SHARES) await time(`${100 * share} %`, routeOf(frozen.space.paths.length, share));
await time("routers decide");
