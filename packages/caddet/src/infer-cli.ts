// The commands that use a trained detector: `detect`, `export` and `bench infer`: names, options and help.
import { Command, Option } from "commander";
import { backend, engine, fraction, imageSize, json, model, natural, positive } from "./options";
import type { Output } from "./output";

const threads = () => new Option("--threads <n>", "threads of onnxruntime; default as it sees fit").argParser(natural);

function detectCommand(output: Output, setExitCode: (code: number) => void): Command {
  return new Command("detect")
    .description("boxes in images and videos, in their own pixels")
    .argument("[inputs...]", "files, folders, globs, videos, or - for an image on stdin")
    .addOption(model("folder of a run, or a model file: .safetensors or .onnx"))
    .option("--image <file>", "one image, and one line of JSON, in place of inputs")
    .option(
      "--threshold <score>",
      "smallest score shown; default 0.3, and what suits the model that comes along",
      fraction,
    )
    .option("--max <n>", "most detections shown of an image", natural, 100)
    .option("--recursive", "folders within folders, too", false)
    .option("--list", "stdin gives names of files, one a line", false)
    .option("--fps <n>", "frames a second of a video; default all", positive)
    .option("--out <dir>", "also write the images with boxes drawn in, as JPEG")
    .option("--routes <dir>", "also write the route of each image, as SVG")
    .option("--results <file>", "also write the detections in COCO's results format")
    .option("--annotations <file>", "instances file whose image ids --results takes, by file name")
    .option("--strict", "exit code 1 when any image failed, not only when all did", false)
    .addOption(engine())
    .addOption(backend())
    .addOption(threads())
    .option("--batch <n>", "most images that run together; default as the engine gains from it", natural)
    .addOption(json())
    .action(async (inputs: string[], options, command: Command) => {
      const { detect, detectFault } = await import("./commands/detect");
      const fault = detectFault(inputs, options);
      if (fault) command.error(`error: ${fault}`);
      setExitCode(await detect(inputs, options, output));
    });
}

function exportCommand(output: Output): Command {
  return new Command("export")
    .description("a run's detector as one ONNX file")
    .addOption(model("folder of a run, or a .safetensors file"))
    .requiredOption("--out <file>", "the ONNX file")
    .addOption(
      new Option("--mode <name>", "how it routes; default dynamic, with a route fixed").choices([
        "dynamic",
        "masked",
        "fixed",
      ]),
    )
    .option("--route-of <image>", "freeze the route in that this image takes")
    .option("--route <file>", "freeze a route in: a JSON list of gates, one a path")
    .option("--size <HxW>", "fix the size of the network's input in pixels; default any", imageSize)
    .addOption(
      new Option("--output <name>", "what it gives").choices(["detections", "raw", "features"]).default("detections"),
    )
    .option("--check", "run a picture on both engines before it is written", false)
    .addOption(backend())
    .addOption(json())
    .action(async (options, command: Command) => {
      const { exportFault, exportModel } = await import("./commands/export");
      const fault = exportFault(options);
      if (fault) command.error(`error: ${fault}`);
      await exportModel(options, output);
    });
}

function benchCommand(output: Output): Command {
  const bench = new Command("bench")
    .description("measurements on this machine")
    .showHelpAfterError("(caddet bench --help shows the commands)")
    .configureOutput({ writeOut: output.text, writeErr: output.note })
    .exitOverride();
  bench
    .command("infer")
    .description("time and memory of a run's detector, with each engine that works here")
    .addOption(model("folder of a run, or a model file: .safetensors or .onnx"))
    .option("--size <HxW>", "size of the picture in pixels", imageSize, { height: 640, width: 800 })
    .option("--runs <n>", "how many are timed", natural, 20)
    .addOption(engine())
    .addOption(backend())
    .addOption(threads())
    .addOption(json())
    .action(async (options) => (await import("./commands/bench-infer")).benchInfer(options, output));
  return bench;
}

/** The commands; what a command finds wrong becomes the exit code through `setExitCode`. */
export function inferCommands(output: Output, setExitCode: (code: number) => void): Command[] {
  return [detectCommand(output, setExitCode), exportCommand(output), benchCommand(output)];
}
