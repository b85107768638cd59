// The program: trains an always-open and a dynamic classifier and prints accuracy and cost of both. Usage: npm start -- [--seed 0]
// [--steps 1500] [--train 20000] [--val 2000]. Its last line is JSON.
import { parseArgs } from "node:util";
import { prepare } from "./backend";
import { runOwnNetwork, type Score } from "./run";

const { values: args } = parseArgs({
  options: {
    seed: { type: "string", default: "0" },
    steps: { type: "string", default: "1500" },
    train: { type: "string", default: "20000" },
    val: { type: "string", default: "2000" },
  },
});
const started = performance.now();
const backend = await prepare();
const result = await runOwnNetwork({
  seed: Number(args.seed),
  steps: Number(args.steps),
  train: Number(args.train),
  val: Number(args.val),
});

const line = (name: string, { accuracy, madds, maddsByTraits }: Score) =>
  `${name}  accuracy ${accuracy.toFixed(3)}, ${Math.round(madds)} MAdds of ${result.total}; ` +
  `with 0, 1, 2, 3 traits ${maddsByTraits.map(Math.round).join(", ")}`;
console.log(line("always open", result.open));
console.log(line("dynamic    ", result.dynamic));
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ ...result, seconds, backend }));
