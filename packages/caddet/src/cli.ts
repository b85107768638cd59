// The command line: names, options and help of every command, and what happens to an error. Each command is a file in commands/ and
// is loaded when it is called, so that none waits for another's libraries.
import { readFileSync } from "node:fs";
import { Argument, Command, CommanderError } from "commander";
import { cocoCommand } from "./coco-cli";
import { inferCommands } from "./infer-cli";
import { backend, json, model, natural } from "./options";
import { createOutput, type Output } from "./output";

const collect = (text: string, all: string[]) => [...all, text];

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
    .option("--init <file>", "weights to start from, e.g. of a pre-trained supernet; what fits is taken")
    .option("--evaluate-every <n>", "epochs between two evaluations of the split val", natural)
    .option("--replicas <n>", "threads that train together, each with its share of the images", natural, 1)
    .option("--resume", "go on from the run's newest checkpoint", false)
    .addOption(backend())
    .addOption(json())
    .action(async (options) => setExitCode(await (await import("./commands/train")).train(options, output)));

  program
    .command("evaluate")
    .description("COCO numbers and cost of a run's newest checkpoint")
    .addOption(model("folder of a run, or a .safetensors file"))
    .requiredOption("--data <dir>", "COCO-format folder")
    .option("--split <name>", "which split", "val")
    .option("--limit <n>", "only the first n images", natural)
    .option("--results <file>", "also write the detections in COCO's results format")
    .option("--gates <file>", "also write each image's route, for caddet report")
    .addOption(backend())
    .addOption(json())
    .action(async (options) => (await import("./commands/evaluate")).evaluate(options, output));

  program
    .command("report")
    .description("a run's training, accuracy and routes as one HTML file")
    .requiredOption("--run <dir>", "folder of a run")
    .option("--data <dir>", "COCO-format folder to evaluate on; without it, accuracy and routes are left out")
    .option("--split <name>", "which split", "val")
    .option("--limit <n>", "only the first n images", natural)
    .option("--results <file>", "detections in COCO's results format, in place of an evaluation")
    .option("--gates <file>", "the routes that belong to --results")
    .option("--images <n>", "most images that are shown", natural, 12)
    .option("--out <file>", "where the report goes; default: report.html in the run's folder")
    .addOption(backend())
    .addOption(json())
    .action(async (options) => (await import("./commands/report")).report(options, output));

  program
    .command("madds")
    .description("MAdds of a supernet, node by node, all paths open")
    .option("--preset <name>", "paper, small or tiny", "paper")
    .option("--size <HxW>", "input size in pixels", "640x800")
    .addOption(json())
    .action(async (options) => (await import("./commands/madds")).madds(options, output));

  program
    .command("doctor")
    .description("which backends and engines are here, which one is chosen, and why the others are not")
    .addOption(json())
    .action(async (options) => (await import("./commands/doctor")).doctor(options, output));

  for (const command of inferCommands(output, setExitCode)) {
    // What is not made by program.command() does not inherit these.
    program.addCommand(command.copyInheritedSettings(program));
  }
  program
    .command("runtime")
    .description("backends that are installed apart")
    .command("install")
    .description("build tfjs-node here, where its own download fails")
    .option("--gpu", "tfjs-node-gpu instead, which needs CUDA 12.2 and cuDNN 8.9 beside", false)
    .addArgument(new Argument("<what>", "what to install").choices(["native"]))
    .option("--folder <dir>", "where it goes; default: the user's own folder")
    .option("--wheel <file>", "a wheel of libtensorflow that is here already")
    .addOption(json())
    .action(async (_what, options) => (await import("./commands/runtime-install")).runtimeInstall(options, output));

  program.addCommand(cocoCommand(output, setExitCode));

  return program;
}

/**
 * Runs the command line.
 *
 * @param args without `node` and script
 * @param output where text goes, default stdout and stderr
 * @returns the exit code: 0, 1 after a failure, 2 after a wrong call, 130 or 143 after SIGINT or SIGTERM
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
