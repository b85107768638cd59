// `caddet export`: a run's detector as one ONNX file, with what a program needs to use it in its metadata.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { ConfigError, paddedSize, resizedSize, type Size } from "@caddet/core";
import { createInferencer } from "@caddet/inferencer/node";
import { exportOnnx, type OnnxMode, type OnnxOutput } from "@caddet/onnx";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { writeFileAtomic } from "@caddet/trainer/node";
import { checkExport } from "../export-check";
import { type LoadedModel, loadModel } from "../model-file";
import { type OnnxValue, onnxSignature } from "../onnx-signature";
import { loadOnnxRuntime } from "../onnxruntime";
import { columns, type Output } from "../output";

/** Options of the command. */
export interface ExportOptions {
  readonly run: string;
  readonly out: string;
  /** Default: "fixed" with a route, "dynamic" without. */
  readonly mode?: OnnxMode;
  /** An image whose route is frozen in. */
  readonly routeOf?: string;
  /** A JSON file of gates. */
  readonly route?: string;
  readonly size?: Size;
  readonly output: OnnxOutput;
  readonly check: boolean;
  readonly backend: BackendName | "auto";
  readonly json: boolean;
}

/** What is wrong with a call, in words; undefined for a right one. */
export function exportFault({ mode, route, routeOf }: ExportOptions): string | undefined {
  if (route !== undefined && routeOf !== undefined) return "--route and --route-of exclude one another.";
  const hasRoute = route !== undefined || routeOf !== undefined;
  if (mode === "fixed" && !hasRoute) return "--mode fixed needs the route: --route FILE or --route-of IMAGE.";
  if (hasRoute && mode !== undefined && mode !== "fixed") return `A route belongs to --mode fixed, not to ${mode}.`;
  return undefined;
}

async function readRoute(file: string): Promise<Float32Array> {
  const fail = (why: string, cause?: unknown) =>
    new ConfigError(
      `${file} is no route: ${why}. Expected a JSON list of gates from 0 to 1, one a path.`,
      { file },
      { cause },
    );
  const text = await readFile(file, "utf8").catch((cause: Error) => {
    throw fail(cause.message, cause);
  });
  let gates: unknown;
  try {
    gates = JSON.parse(text);
  } catch (cause) {
    throw fail("it is not JSON", cause);
  }
  if (!Array.isArray(gates)) throw fail("it is not a list");
  const wrong = gates.findIndex((gate) => !(typeof gate === "number" && gate >= 0 && gate <= 1));
  if (wrong >= 0) throw fail(`entry ${wrong} is ${JSON.stringify(gates[wrong])}`);
  return Float32Array.from(gates);
}

async function routeOfImage({ detector, classes, data }: LoadedModel, file: string): Promise<Float32Array> {
  const { shorter, longer, padTo, mean, std } = data;
  const inferencer = createInferencer({
    detector,
    classes,
    size: { shorter, longer },
    padTo,
    normalise: { mean, std },
    freeze: false,
  });
  try {
    const { gates } = await inferencer.detect(file);
    if (!gates) throw new ConfigError("The detector has no routes, so --route-of has no meaning. Leave it out.");
    return gates;
  } finally {
    await inferencer.close();
  }
}

const valueText = ({ name, type, shape }: OnnxValue) => [name, `${type} [${shape.join(", ")}]`];

/** Exports, and prints what was written. */
export async function exportModel(options: ExportOptions, output: Output): Promise<void> {
  const runtime = options.check ? loadOnnxRuntime() : undefined;
  await prepareBackend({ backend: options.backend });
  const model = await loadModel(options.run);
  try {
    const { detector, classes, config, data } = model;
    const route = options.route
      ? await readRoute(options.route)
      : options.routeOf
        ? await routeOfImage(model, options.routeOf)
        : undefined;
    const mode = options.mode ?? (route ? "fixed" : "dynamic");
    const { shorter, longer, padTo, mean, std } = data;
    const bytes = await exportOnnx(detector, {
      mode,
      output: options.output,
      classes,
      config,
      metadata: { preparation: JSON.stringify({ shorter, longer, padTo, mean, std }) },
      ...(route ? { route } : {}),
      ...(options.size ? { size: options.size } : {}),
    });
    // Without a size: that of an image which fills the bounds.
    const size = options.size ?? paddedSize(resizedSize({ height: shorter, width: longer }, data), padTo);
    const check =
      runtime &&
      (await checkExport({ model, bytes, output: options.output, size, runtime, ...(route ? { route } : {}) }));
    await writeFileAtomic(options.out, bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const { inputs, outputs } = onnxSignature(bytes, options.out);
    if (options.json) {
      output.json({ file: options.out, bytes: bytes.length, mode, sha256, inputs, outputs, check: check ?? null });
      return;
    }
    output.text(`${options.out}: ${(bytes.length / 1e6).toFixed(2)} MB, mode ${mode}\nsha256 ${sha256}\n`);
    output.text(
      `\n${columns([...inputs.map((v) => ["takes", ...valueText(v)]), ...outputs.map((v) => ["gives", ...valueText(v)])])}`,
    );
    if (check) {
      const { largest, of, numbers } = check;
      output.text(
        `\nlargest difference from the detector ${largest.toExponential(1)}, of ${of}; ${numbers} numbers compared\n`,
      );
    }
  } finally {
    model.detector.dispose();
  }
}
