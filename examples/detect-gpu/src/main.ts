// The GPU inferencer: takes the GPU that TensorFlow.js can use here, streams images or videos through a detector in batches, and prints
// what it finds, images a second, what the routes cost, and the device memory. Usage: npx tsx examples/detect-gpu/src/main.ts
// --model runs/demo photos street.mp4 [--backend gpu] [--batch 4] [--threshold 0.3]. Its last line is JSON.
import { parseArgs } from "node:util";
import { createDetector, imageFiles, type NodeImageInput, videoFrames } from "@caddet/inferencer/node";
import { BACKENDS, inspectBackends } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";

const { values: args, positionals: inputs } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string", default: "" },
    backend: { type: "string", default: "gpu" },
    batch: { type: "string" },
    threshold: { type: "string", default: "0.3" },
  },
});

const say = (error: unknown) => console.error(error instanceof Error ? error.message : error);

// A backend that was asked for is taken as it is; else a GPU, but no emulation of one; else whatever is fastest without.
async function chooseBackend() {
  const asked = BACKENDS.find((name) => name === args.backend);
  if (asked) return { backend: asked, engine: "tfjs" } as const;
  if (args.backend !== "gpu") throw new Error(`--backend should be gpu, ${BACKENDS.join(", ")}, got ${args.backend}.`);
  const gpus = (await inspectBackends()).backends.filter(({ name }) => name === "tfjs-node-gpu" || name === "webgpu");
  const gpu = gpus.find(({ available, software }) => available && !software);
  if (gpu) return { backend: gpu.name, engine: "tfjs" } as const;
  console.error(
    `No GPU can be used, so the CPU is.\n${gpus.map(({ name, reason }) => `${name}: ${reason}`).join("\n")}`,
  );
  return { backend: "auto", engine: "auto" } as const;
}

async function* imagesOf(paths: readonly string[]): AsyncGenerator<NodeImageInput> {
  for (const path of paths) yield* /\.(mp4|m4v|mov|webm|mkv|avi)$/i.test(path) ? videoFrames(path) : imageFiles([path]);
}

// WebGPU tells what it has allocated; libtensorflow and the backends of the CPU do not.
const deviceBytes = () => (tf.memory() as { numBytesAllocatedInGPU?: number }).numBytesAllocatedInGPU ?? null;

async function run() {
  if (!args.model || inputs.length === 0) throw new Error("Usage: --model <run or file> <images, folders or videos>");
  const batch = args.batch ? { batch: { images: Number(args.batch) } } : {};
  const detector = await createDetector({ run: args.model, ...(await chooseBackend()), ...batch });
  const { engine, device } = detector;
  console.error(`${engine}, ${device}`);
  const sum = { images: 0, failed: 0, madds: 0, openPaths: 0, paths: 0 };
  let peakDeviceBytes = deviceBytes();
  const started = performance.now(); // kernels are compiled with the first batch
  const onError = (error: unknown) => {
    sum.failed++;
    say(error);
  };
  for await (const found of detector.detectEach(imagesOf(inputs), { threshold: Number(args.threshold), onError })) {
    const { image, index, objects, madds = 0, openPaths = 0, gates = [], ms } = found;
    const name = typeof image === "string" ? image : `frame ${index}`;
    console.log(`${name}: ${objects.map(({ label }) => label).join(" ") || "nothing"} (${ms.toFixed(0)} ms)`);
    sum.images++;
    sum.madds += madds;
    sum.openPaths += openPaths;
    sum.paths = gates.length;
    if (peakDeviceBytes !== null) peakDeviceBytes = Math.max(peakDeviceBytes, deviceBytes()!);
  }
  const { images, failed, paths } = sum;
  const imagesPerSecond = (1000 * images) / (performance.now() - started);
  await detector.close();
  const means = { madds: sum.madds / images, openPaths: sum.openPaths / images, paths };
  console.log(JSON.stringify({ images, failed, imagesPerSecond, ...means, peakDeviceBytes, engine, device }));
}

await run().catch((error) => {
  say(error);
  process.exitCode = 1;
});
