// Options that several commands share, and the checks on their values.
import { InvalidArgumentError, Option } from "commander";
import { BUNDLED_MODEL } from "./bundled-model";

/** Reads an integer from 1. */
export function natural(text: string): number {
  const value = Number(text);
  if (!(Number.isSafeInteger(value) && value > 0)) throw new InvalidArgumentError("Expected an integer from 1.");
  return value;
}

/** Reads a number from 0 to 1. */
export function fraction(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError("Expected a number from 0 to 1.");
  return value;
}

/** Reads a number above 0. */
export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError("Expected a number above 0.");
  return value;
}

/** Reads bounds of the shorter and the longer side, "600,1000". */
export function targetSize(text: string): { readonly shorter: number; readonly longer: number } {
  const [shorter, longer] = (/^(\d{1,5}),(\d{1,5})$/.exec(text)?.slice(1) ?? []).map(Number);
  if (!(shorter! >= 1 && longer! >= shorter!)) {
    throw new InvalidArgumentError("Expected two sides in pixels, SHORTER,LONGER, e.g. 600,1000.");
  }
  return { shorter: shorter!, longer: longer! };
}

/** Reads a size in pixels, "640x800". */
export function imageSize(text: string): { readonly height: number; readonly width: number } {
  const [height, width] = (/^(\d{1,5})x(\d{1,5})$/.exec(text)?.slice(1) ?? []).map(Number);
  if (!(height! >= 1 && width! >= 1)) {
    throw new InvalidArgumentError("Expected HEIGHTxWIDTH in pixels, e.g. 640x800.");
  }
  return { height: height!, width: width! };
}

/** `--run` of commands that detect; without it they take the model that comes along. */
export const model = (what: string) =>
  new Option("--run <path>", what).default(BUNDLED_MODEL.path, "the small model that comes along");

/** `--backend`: of TensorFlow.js. */
export const backend = () =>
  new Option("--backend <name>", "what computes")
    .choices(["auto", "tfjs-node-gpu", "tfjs-node", "webgpu", "wasm", "cpu"])
    .default("auto");

/** `--engine`. */
export const engine = () =>
  new Option("--engine <name>", "what runs the network").choices(["auto", "tfjs", "onnx"]).default("auto");

/** `--json`. */
export const json = () => new Option("--json", "print the result as JSON on the last line of stdout").default(false);
