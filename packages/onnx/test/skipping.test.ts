// Closed paths and dropped nodes do not run: onnxruntime's own profile counts the convolutions.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom, readState } from "@caddet/core";
import type { Detector } from "@caddet/detector";
import { describe, expect, it } from "vitest";
import { exportOnnx, type OnnxOptions } from "../src";
import { fcosDetector, netOf, randomImages, runModel } from "./models";

interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly args?: { readonly op_name?: string };
}

/** How often each operation ran in one pass. */
async function launches(bytes: Uint8Array, batch: number): Promise<Map<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), "caddet-onnx-"));
  const images = randomImages(batch, 64, 64);
  try {
    const options = { enableProfiling: true, profileFilePrefix: join(folder, "profile") };
    await runModel(bytes, images, undefined, options);
    const [file] = await readdir(folder);
    const events = JSON.parse(await readFile(join(folder, file!), "utf8")) as ProfileEvent[];
    const counts = new Map<string, number>();
    for (const { cat, name, args } of events) {
      if (cat !== "Node" || !name.endsWith("_kernel_time") || !args?.op_name) continue;
      counts.set(args.op_name, (counts.get(args.op_name) ?? 0) + 1);
    }
    return counts;
  } finally {
    images.dispose();
    await rm(folder, { recursive: true });
  }
}

/** Makes every router answer with one route, whatever it sees. */
async function force(detector: Detector, route: readonly boolean[]): Promise<void> {
  const state = await readState(detector);
  for (const { layer, scale, paths } of netOf(detector).space.nodes) {
    const gate = `backbone.nodes.${layer}_${scale}.router.gate`;
    (state.get(`${gate}.weight`)!.data as Float32Array).fill(0);
    const bias = state.get(`${gate}.bias`)!.data as Float32Array;
    for (const [k, path] of paths.entries()) bias[k] = route[path] ? 0.5 : -0.5;
  }
  detector.loadStateDict(state);
}

/** The convolutions of a route: stem, blocks, paths up and down, pyramid. */
function convolutionsOf(detector: Detector, route: readonly boolean[]): number {
  const { nodes, paths, shape } = netOf(detector).space;
  const blocks = nodes.filter((node) => node.paths.some((path) => route[path])).length * 2 * shape.sepConvs;
  const moved = paths.filter(({ kind }, path) => kind !== "keep" && route[path]).length;
  return 6 + blocks + moved + shape.channels.length + 1;
}

describe.each([0, 0.3, 0.7, 1])("with about %s of the paths open", (share) => {
  it.each([1, 3])("only what is open runs for a batch of %s", async (batch) => {
    const detector = await fcosDetector();
    const random = createRandom(4);
    const route = netOf(detector).space.paths.map(() => random.next() < share);
    await force(detector, route);
    const count = async (options: OnnxOptions) =>
      launches(await exportOnnx(detector, { ...options, output: "features" }), batch);
    const all = convolutionsOf(
      detector,
      route.map(() => true),
    );
    expect((await count({ mode: "dynamic" })).get("Conv")).toBe(convolutionsOf(detector, route));
    expect((await count({ mode: "masked" })).get("Conv")).toBe(all);
    const fixed = await count({ mode: "fixed", route: route.map(Number) });
    expect(fixed.get("Conv")).toBe(convolutionsOf(detector, route));
    expect(fixed.has("If")).toBe(false);
    detector.dispose();
  });
});
