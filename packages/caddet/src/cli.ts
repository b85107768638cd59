// The command line: names, options and help of every command, and what happens to an error. Each command is a file in commands/ and
// is loaded when it is called, so that none waits for another's libraries.
import { readFileSync } from "node:fs";
import { Command, CommanderError, Option } from "commander";
import { cocoCommand } from "./coco-cli";
import { fraction, json, natural } from "./options";
import { createOutput, type Output } from "./output";

const BACKENDS = ["auto", "tfjs-node-gpu", "tfjs-node", "webgpu", "wasm", "cpu"];

const collect = (text: string, all: string[]) => [...all, text];

const backend = () => new Option("--backend <name>", "what computes").choices(BACKENDS).default("auto");

function version(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

function buildProgram(output: Output, setExitCode: (code: number) => void): Command {
  const program = new Command("caddet")
    .description("Content-aware dynamic detectors: train, evaluate, detect, inspect.")
    .version(version())
    .showHelpAfterError("(caddet --help shows the commands)")
    .configureOutput({ writeOut: output.text, writeErr: output.note })
    .exitOverride();

  program
    .command("train")
    .description("train a detector on a COCO-format folder")
    .requiredOption("--data <dir>", "folder with annotations/instances_train.json and train/")
    .requiredOption("--out <dir>", "folder of the run")
    .option("--config <file>", "a .ts, .js or .json configuration; default: the paper's, with --resume the run's own")
    .option("--set <path=value>", "override one setting, e.g. optimizer.lr=0.02; repeatable", collect, [])
    .option("--resume", "go on from the run's newest checkpoint", false)
    .addOption(backend())
    .addOption(json())
    .action(async (options) => setExitCode(await (await import("./commands/train")).train(options, output)));

  program
    .command("evaluate")
    .description("COCO numbers and cost of a run's newest checkpoint")
    .requiredOption("--run <path>", "folder of a run, or a model file")
    .requiredOption("--data <dir>", "COCO-format folder")
    .option("--split <name>", "which split", "val")
    .option("--limit <n>", "only the first n images", natural)
    .option("--results <file>", "also write the detections in COCO's results format")
    .addOption(backend())
    .addOption(json())
    .action(async (options) => (await import("./commands/evaluate")).evaluate(options, output));

  program
    .command("detect")
    .description("boxes in an image, in its own pixels")
    .requiredOption("--run <path>", "folder of a run, or a model file")
    .requiredOption("--image <file>", "a JPEG, PNG, WebP, GIF, AVIF or TIFF file")
    .option("--threshold <score>", "smallest score shown", fraction, 0.3)
    .option("--max <n>", "most detections shown", natural, 100)
    .addOption(backend())
    .addOption(json())
    .action(async (options) => (await import("./commands/detect")).detect(options, output));

  program
    .command("madds")
    .description("MAdds of a supernet, node by node, all paths open")
    .option("--preset <name>", "paper, small or tiny", "paper")
    .option("--size <HxW>", "input size in pixels", "640x800")
    .addOption(json())
    .action(async (options) => (await import("./commands/madds")).madds(options, output));

  program
    .command("doctor")
    .description("which backends are here, which one is chosen, and why the others are not")
    .addOption(json())
    .action(async (options) => (await import("./commands/doctor")).doctor(options, output));

  program.addCommand(cocoCommand(output, setExitCode));

  return program;
}

/**
 * Runs the command line.
 *
 * @param args without `node` and script
 * @param output where text goes, default stdout and stderr
 * @returns the exit code: 0, 1 after a failure, 2 after a wrong call, 130 or 143 after SIGINT or SIGTERM stopped a training
 * @example process.exitCode = await main(["evaluate", "--run", "runs/mini", "--data", "coco", "--json"])
 */
export async function main(args: readonly string[], output: Output = createOutput()): Promise<number> {
  let exitCode = 0;
  const setExitCode = (code: number) => {
    exitCode = code;
  };
  try {
    await buildProgram(output, setExitCode).parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // commander has said why
    output.failure(error);
    return 1;
  }
}
