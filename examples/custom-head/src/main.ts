// The program: trains the center head, prints what it finds and how well. Usage: npm start -- [--seed 0] [--steps 1200] [--train 1024]
// [--val 200] [--backend wasm]. Its last line is JSON.
import { parseArgs } from "node:util";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { progressHook } from "@caddet/trainer/node";
import { runCustomHead } from "./run";
import { CLASSES } from "./scenes";

const { values: args } = parseArgs({
  options: {
    seed: { type: "string", default: "0" },
    steps: { type: "string", default: "1200" },
    train: { type: "string", default: "1024" },
    val: { type: "string", default: "200" },
    backend: { type: "string", default: "auto" },
  },
});
const started = performance.now();
const backend = await prepareBackend({ backend: args.backend as BackendName | "auto" });
const { detector, sample, untrainedAp, ap, ap50, madds } = await runCustomHead({
  seed: Number(args.seed),
  steps: Number(args.steps),
  train: Number(args.train),
  val: Number(args.val),
  hooks: [progressHook(process.stderr)],
});
detector.dispose();

const rounded = (box: ArrayLike<number>) => Array.from(box, Math.round).join(", ");
const { boxes, labels } = sample.scene.truth;
console.log("A held-out scene shows:");
for (const [n, label] of labels.entries()) {
  console.log(`  ${CLASSES[label]!.name} [${rounded(boxes.subarray(4 * n, 4 * n + 4))}]`);
}
console.log("The center head finds:");
for (const { label, score, box } of sample.result.objects) {
  console.log(`  ${label} [${rounded(box)}], score ${score.toFixed(2)}`);
}
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ untrainedAp, ap, ap50, madds, seconds, backend: backend.name }));
