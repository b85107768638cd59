// An engine of the inference benchmark: the frozen supernet on a TensorFlow.js backend, wasm with @caddet/runtime's kernels or tfjs-node.
// Routes are forced, or left to routers whose biases give them. Run by bench/infer.ts: infer-tfjs.ts FOLDER BACKEND

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRandom, parseSafetensors, type RoutedOutput, readState } from "@caddet/core";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { createSupernet, PRESETS, supernetFromTorch } from "@caddet/supernet";
import * as tf from "@tensorflow/tfjs-core";
import { benchImage, readRoutes, SIZE, serve } from "./infer-engine";
import { setRoute } from "./routed-models";

const [folder, backend] = process.argv.slice(2) as [string, BackendName];
await prepareBackend({ backend });
const routes = readRoutes(folder);
const net = createSupernet({ ...PRESETS.paper, random: createRandom(0) });
net.loadStateDict(supernetFromTorch(parseSafetensors(readFileSync(join(folder, "weights.safetensors"))).arrays));
const forced = net.freeze();
const state = await readState(net);
setRoute(net.space, state, "", routes["1"]!);
net.loadStateDict(state);
const open = net.freeze();
net.dispose();
const images = tf.tensor4d(benchImage(), [1, SIZE.height, SIZE.width, 3]);

await serve<RoutedOutput>({ version: tf.version_core }, ({ share, routers }) => ({
  run: () =>
    routers ? open.forwardRouted(images) : forced.forwardRouted(images, { gates: Float32Array.from(routes[share]!) }),
  maps: ({ features }) => Promise.all(features.maps.map((map) => map.data())),
  release: ({ features }) => tf.dispose([...features.maps]),
}));
