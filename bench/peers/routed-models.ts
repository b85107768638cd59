// The supernet with given weights and routes, for the inference benchmark: its MAdds a route, and the ONNX models of it, a dynamic
// one whose routers' biases give the route and a fixed one that holds the route alone.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createRandom, parseSafetensors, readState, type StoredArray } from "@caddet/core";
import { composeDetector } from "@caddet/detector";
import { createFcosHead } from "@caddet/heads";
import { exportOnnx } from "@caddet/onnx";
import { createSupernet, PRESETS, type RoutingSpace, type SupernetCost, supernetFromTorch } from "@caddet/supernet";
import { biasOf, type Routes, SIZE } from "./infer-engine";

/**
 * Makes routers answer with a route, whatever the image: zero weights, and biases of the gates.
 *
 * @param space whose nodes
 * @param state weights by name; changed in place
 * @param prefix of the supernet's names in it, e.g. "backbone."
 * @param route `[P]` gates
 */
export function setRoute(
  space: RoutingSpace,
  state: ReadonlyMap<string, StoredArray>,
  prefix: string,
  route: readonly number[],
): void {
  for (const { layer, scale, paths } of space.nodes) {
    const gate = `${prefix}nodes.${layer}_${scale}.router.gate`;
    state.get(`${gate}.weight`)!.data.fill(0 as never);
    (state.get(`${gate}.bias`)!.data as Float32Array).set(paths.map((path) => biasOf(route[path]!)));
  }
}

/** MAdds of all that a route runs: blocks and paths, stem and pyramid; no routers. */
function maddsOf(space: RoutingSpace, { perNode, perPath, stem, pyramid }: SupernetCost, route: readonly number[]) {
  let madds = stem + pyramid;
  for (const [n, { paths }] of space.nodes.entries()) {
    const open = paths.filter((path) => route[path]! > 0);
    if (open.length > 0) madds += perNode[n]!;
    for (const path of open) madds += perPath[path]!;
  }
  return madds;
}

/**
 * Writes `dynamic-SHARE.onnx` and `fixed-SHARE.onnx` of every route.
 *
 * @param folder holds weights.safetensors of the PyTorch CADDet; the models are written there
 * @param routes by share of open paths
 * @returns MAdds by share
 */
export async function writeRoutedModels(folder: string, routes: Routes): Promise<Map<number, number>> {
  const random = createRandom(0);
  const backbone = createSupernet({ ...PRESETS.paper, random });
  const bytes = await readFile(join(folder, "weights.safetensors"));
  backbone.loadStateDict(supernetFromTorch(parseSafetensors(bytes).arrays));
  // Features are exported, so the head is of no account.
  const head = createFcosHead({
    inChannels: backbone.channels,
    numClasses: 1,
    channels: 8,
    groups: 1,
    stackedConvs: 0,
    random,
  });
  const detector = composeDetector({ backbone, head });
  const madds = new Map<number, number>();
  try {
    const state = await readState(detector);
    for (const [share, route] of Object.entries(routes)) {
      setRoute(backbone.space, state, "backbone.", route);
      detector.loadStateDict(state);
      const common = { output: "features", size: SIZE } as const;
      await writeFile(join(folder, `dynamic-${share}.onnx`), await exportOnnx(detector, common));
      await writeFile(
        join(folder, `fixed-${share}.onnx`),
        await exportOnnx(detector, { ...common, mode: "fixed", route }),
      );
      madds.set(Number(share), maddsOf(backbone.space, backbone.cost(SIZE), route));
    }
  } finally {
    detector.dispose();
  }
  return madds;
}
