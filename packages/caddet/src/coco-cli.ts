// The commands `caddet coco ...`: names, options and help. They need no detector and no TensorFlow.
import { Command } from "commander";
import { json } from "./options";
import type { Output } from "./output";

/** The command group; what a command finds wrong becomes the exit code through `setExitCode`. */
export function cocoCommand(output: Output, _setExitCode: (code: number) => void): Command {
  const coco = new Command("coco").description("COCO data sets: evaluate, check, count, draw, download, convert.");
  coco
    .command("eval")
    .description("COCO's numbers of a results file")
    .requiredOption("--gt <file>", "instances file")
    .requiredOption("--dt <file>", "results file")
    .addOption(json())
    .action(async (options) => (await import("./commands/coco-eval")).cocoEval(options, output));
  return coco;
}
