// An engine of the inference benchmark: the exported models in onnxruntime-node or onnxruntime-web, one a share of open paths.
// Run by bench/infer.ts: infer-onnxruntime.ts FOLDER dynamic|fixed THREADS onnxruntime-node|onnxruntime-web
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type * as Runtime from "onnxruntime-node";
import { benchImage, readRoutes, SIZE, serve } from "./infer-engine";

const [folder, mode, threads, runtime] = process.argv.slice(2) as [string, string, string, string];
const ort = (await import(runtime)) as typeof Runtime;
// The web's runtime takes its threads from here, and does not look at the sessions'.
ort.env.wasm.numThreads = Number(threads);
const sessions = new Map<number, Runtime.InferenceSession>();
for (const share of Object.keys(readRoutes(folder))) {
  const bytes = readFileSync(join(folder, `${mode}-${share}.onnx`));
  // Warnings of initialisers that branches do not use.
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: Number(threads), logSeverityLevel: 3 });
  sessions.set(Number(share), session);
}
const images = new ort.Tensor("float32", benchImage(), [1, SIZE.height, SIZE.width, 3]);

await serve<Runtime.InferenceSession.ReturnType>(
  { version: ort.env.versions.node ?? ort.env.versions.web ?? ort.env.versions.common },
  ({ share }) => ({
    run: () => sessions.get(share)!.run({ images }),
    maps: async (outputs) =>
      Object.keys(outputs)
        .filter((name) => name.startsWith("features_"))
        .sort()
        .map((name) => outputs[name]!.data as Float32Array),
    release: (outputs) => {
      for (const output of Object.values(outputs)) output.dispose();
    },
  }),
);
