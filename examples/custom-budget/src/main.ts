// The program: trains under three budgets and prints how cost follows content. Usage: npm start -- [--seed 0] [--steps 600] [--train 512]
// [--val 200] [--backend wasm]. Its last line is JSON.
import { parseArgs } from "node:util";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { progressHook } from "@caddet/trainer/node";
import { runCustomBudget } from "./run";

const { values: args } = parseArgs({
  options: {
    seed: { type: "string", default: "0" },
    steps: { type: "string", default: "600" },
    train: { type: "string", default: "512" },
    val: { type: "string", default: "200" },
    backend: { type: "string", default: "auto" },
  },
});
const started = performance.now();
const backend = await prepareBackend({ backend: args.backend as BackendName | "auto" });
const outcomes = await runCustomBudget({
  seed: Number(args.seed),
  steps: Number(args.steps),
  train: Number(args.train),
  val: Number(args.val),
  hooks: [progressHook(process.stderr)],
});
const figure = (value: number) => value.toFixed(2).padStart(6);
console.log("        mean cost          correlation of expected    of executed cost");
console.log("budget  expected executed  with count  with edges     with count  with edges");
for (const { name, expected, executed, expectedFollows, executedFollows } of outcomes) {
  const columns = [expected, executed, ...Object.values(expectedFollows), ...Object.values(executedFollows)];
  console.log(name.padEnd(8), columns.map(figure).join("    "));
}
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ outcomes, seconds, backend: backend.name }));
