// The commands `caddet coco ...`: names, options and help. They need no detector and no backend;
// only `stats` loads TensorFlow.js's core, with the scale encoding of @caddet/budget.
import { Argument, Command, Option } from "commander";
import { fraction, json, natural, targetSize } from "./options";
import type { Output } from "./output";

// Those of COCO_ARCHIVES; written out so that help needs no other package.
const ARCHIVES = ["train2017", "val2017", "test2017", "unlabeled2017", "annotations", "image_info_test2017"];

const collect = (text: string, all: readonly string[] = []) => [...all, text];

const list = (text: string) => text.split(",").map((name) => name.trim());

/** The command group; what a command finds wrong becomes the exit code through `setExitCode`. */
export function cocoCommand(output: Output, setExitCode: (code: number) => void): Command {
  const coco = new Command("coco")
    .description("COCO data sets: evaluate, check, count, draw, download, convert.")
    .showHelpAfterError("(caddet coco --help shows the commands)")
    .configureOutput({ writeOut: output.text, writeErr: output.note })
    .exitOverride();
  coco
    .command("eval")
    .description("COCO's numbers of a results file")
    .requiredOption("--gt <file>", "instances file")
    .requiredOption("--dt <file>", "results file")
    .option("--threads <n>", "most threads; default up to four, as the machine has cores", natural)
    .option("--per-class", "also a table of all classes", false)
    .option("--confusion", "also which classes are taken for which", false)
    .option("--errors", "also kinds of errors and what they cost (after TIDE)", false)
    .addOption(json())
    .action(async (options) => (await import("./commands/coco-eval")).cocoEval(options, output));
  coco
    .command("download")
    .description("fetch COCO's official archives, verify and unpack them; goes on where it was stopped")
    .addArgument(new Argument("<archives...>", "which of them").choices(ARCHIVES))
    .requiredOption("--out <dir>", "folder of the data set")
    .option("--base-url <url>", "a mirror of http://images.cocodataset.org/")
    .addOption(json())
    .action(async (names, options) =>
      setExitCode(await (await import("./commands/coco-download")).cocoDownload(names, options, output)),
    );
  coco
    .command("check")
    .description("find what is wrong with annotations and images; exit code 1 with errors")
    .argument("<dir>", "folder with annotations/instances_SPLIT.json and SPLIT/")
    .option("--split <name>", "only this split; repeatable", collect)
    .option("--quick", "read headers, decode no image", false)
    .option("--examples <n>", "most examples of a reason and a split; default 3, with --json 100", natural)
    .addOption(json())
    .action(async (dir, options) =>
      setExitCode(await (await import("./commands/coco-check")).cocoCheck(dir, options, output)),
    );
  coco
    .command("stats")
    .description("count images, classes, sizes, scale intervals and encodings")
    .argument("<dir>", "folder with annotations/instances_SPLIT.json")
    .option("--split <name>", "only this split; repeatable", collect)
    .option("--size <shorter,longer>", "bounds of the network's input in pixels; default a training's", targetSize)
    .addOption(json())
    .action(async (dir, options) => (await import("./commands/coco-stats")).cocoStats(dir, options, output));
  coco
    .command("draw")
    .description("write images with annotated boxes (white, dotted) and detections (coloured)")
    .requiredOption("--gt <file>", "instances file")
    .requiredOption("--images <dir>", "folder of the images")
    .requiredOption("--out <dir>", "folder of the drawings")
    .option("--dt <file>", "results file")
    .option("--threshold <score>", "smallest score drawn", fraction, 0.3)
    .option("--limit <n>", "only the first n images", natural)
    .addOption(json())
    .action(async (options) => setExitCode(await (await import("./commands/coco-draw")).cocoDraw(options, output)));
  coco
    .command("convert")
    .description("a YOLO or Pascal VOC folder to an instances file, or results to YOLO label files")
    .argument("[dir]", "the folder, with --from yolo or voc")
    .addOption(new Option("--from <format>", "what is read").choices(["yolo", "voc", "results"]).makeOptionMandatory())
    .addOption(new Option("--to <format>", "what is written").choices(["coco", "yolo"]))
    .requiredOption("--out <path>", "the instances file, or the folder of the label files")
    .option("--split <name>", "a folder below images/ and labels/ (yolo), a list of ImageSets/Main (voc)")
    .option("--names <list>", "class names with commas between; default those of the data set", list)
    .option("--gt <file>", "instances file, with --from results")
    .option("--dt <file>", "results file, with --from results")
    .addOption(json())
    .action(async (dir, options, command: Command) => {
      const { cocoConvert, convertFault } = await import("./commands/coco-convert");
      const fault = convertFault(dir, options);
      if (fault) command.error(`error: ${fault}`);
      await cocoConvert(dir, options, output);
    });
  return coco;
}
