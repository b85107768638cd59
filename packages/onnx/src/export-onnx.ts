// A detector as one ONNX file: network, routing, decoding and suppression. It checks what can be exported and puts the parts together;
// the bytes are model-proto.ts's business.
import { ConfigError, type Normalisation, readState, type Size } from "@caddet/core";
import type { ClassEntry, Detector, ModelConfigInput } from "@caddet/detector";
import { Supernet } from "@caddet/supernet";
import { version } from "../package.json";
import { frozenGates, routedGates } from "./gates";
import { createScope, type Value } from "./graph";
import { checkHead, type ExportableHead } from "./head-graph";
import { IMAGES, normaliseImages, SIZES } from "./input-graph";
import { featureOutputs, headOutputs, type Output, shapesOf } from "./model-outputs";
import { encodeModel, type ValueInfo } from "./model-proto";
import { layerLogits, type RouterSettings, routerSettings } from "./router-graph";
import { buildSupernet, type Decide } from "./supernet-graph";
import { type Weights, weightsOf } from "./weights";

/** How an exported model routes. */
export type OnnxMode = "dynamic" | "masked" | "fixed";

/** What an exported model gives, beside gates and MAdds. */
export type OnnxOutput = "detections" | "raw" | "features";

/** Options of {@link exportOnnx}. */
export interface OnnxOptions {
  /**
   * "dynamic" (default): routes by itself; closed paths and dropped nodes do not run. "masked": all run, and are multiplied by their
   * gates. "fixed": one route, given by `route`, is all that the file holds.
   */
  readonly mode?: OnnxMode;
  /** `[P]`: the gates of mode "fixed", from 0 to 1; those below the supernet's threshold are closed. */
  readonly route?: ArrayLike<number>;
  /** Default "detections"; "raw" gives the head's maps, "features" the pyramid and needs no particular head. */
  readonly output?: OnnxOutput;
  /** Fixes the input's size in pixels. Default: any size. */
  readonly size?: Size;
  /** The graph takes RGB from 0 to 255 and normalises it. Default: images are normalised already. */
  readonly normalise?: Normalisation;
  /** By class index; kept in the metadata. */
  readonly classes?: readonly ClassEntry[];
  /** The detector's configuration; kept in the metadata. */
  readonly config?: ModelConfigInput;
  /** Further metadata. */
  readonly metadata?: Readonly<Record<string, string>>;
}

type Complete = OnnxOptions & Required<Pick<OnnxOptions, "mode" | "output">>;

function checkedOptions({ mode = "dynamic", output = "detections", ...rest }: OnnxOptions): Complete {
  if (!["dynamic", "masked", "fixed"].includes(mode)) {
    throw new ConfigError(`mode should be "dynamic", "masked" or "fixed", got ${JSON.stringify(mode)}.`, { mode });
  }
  if (!["detections", "raw", "features"].includes(output)) {
    throw new ConfigError(`output should be "detections", "raw" or "features", got ${JSON.stringify(output)}.`, {
      output,
    });
  }
  if ((mode === "fixed") !== (rest.route !== undefined)) {
    throw new ConfigError(`A route belongs to mode "fixed" and to no other; mode is "${mode}".`, { mode });
  }
  const { size } = rest;
  if (size && ![size.height, size.width].every((v) => Number.isSafeInteger(v) && v > 0)) {
    throw new ConfigError(`size should be positive integers, got ${size.height} x ${size.width}.`, { ...size });
  }
  return { mode, output, ...rest };
}

function checkedBackbone(detector: Detector, { route }: OnnxOptions): Supernet {
  const { backbone, neck } = detector;
  if (!(backbone instanceof Supernet)) {
    throw new ConfigError(
      `A ${backbone.constructor.name} cannot be exported: only a Supernet can be a backbone here.`,
      {
        backbone: backbone.constructor.name,
      },
    );
  }
  if (neck) throw new ConfigError("A detector with a neck cannot be exported; leave it out, or train without one.");
  const { length: paths } = backbone.space.paths;
  if (route && (route.length !== paths || !Array.from(route).every((gate) => gate >= 0 && gate <= 1))) {
    throw new ConfigError(
      `A route of this supernet is ${paths} gates from 0 to 1, one a path, got ${route.length}` +
        `${route.length === paths ? " of which some lie outside" : ""}.`,
      { paths, got: route.length },
    );
  }
  return backbone;
}

function checkedHead(detector: Detector, { output, classes }: Complete): ExportableHead | undefined {
  const { numClasses } = detector.head;
  if (classes && classes.length !== numClasses) {
    throw new ConfigError(
      `The head has ${numClasses} classes, the class table ${classes.length}; they belong together.`,
    );
  }
  if (output === "features") return undefined;
  const head = checkHead(detector.head);
  if (output === "detections" && head.settings.test.nms !== "hard") {
    throw new ConfigError(
      `ONNX has no soft suppression: test.nms should be "hard", got "${head.settings.test.nms}". ` +
        `Export with output "raw" and decode with the head, or change the setting.`,
      { nms: head.settings.test.nms },
    );
  }
  return head;
}

// The settings that all routers of a supernet have.
function commonSettings(net: Supernet, weights: Weights): RouterSettings {
  const [first, ...others] = net.space.nodes.map(({ layer, scale }, i) => {
    const name = `${layer}_${scale}`;
    return routerSettings(net.nodes[i]!.router, weights.at(`nodes.${name}.router`), `node ${name}`);
  });
  const text = JSON.stringify(first);
  const other = others.map((settings) => JSON.stringify(settings)).find((settings) => settings !== text);
  if (first === undefined || other !== undefined) {
    throw new ConfigError(`All routers should have the same gate and cells to be exported, got ${text} and ${other}.`);
  }
  return first;
}

function decider(net: Supernet, weights: Weights, { mode, route }: Complete): [Decide, string] {
  const { threshold, gateValue } = net;
  if (route) {
    const frozen: Decide = (scope, nodes) => {
      const gates = nodes.map(({ node }) => node.paths.map((path) => route[path]!));
      return frozenGates(scope, gates, { threshold, gateValue });
    };
    return [frozen, "fixed"];
  }
  const { gate, pool } = commonSettings(net, weights);
  const settings = { gate, threshold, gateValue, branches: mode === "dynamic" };
  const routed: Decide = (scope, nodes) => {
    const routers = nodes.map(({ node, scope: at, pool: poolTo }) => ({
      scope: at,
      pooled: poolTo(pool),
      weights: weights.at(`nodes.${node.layer}_${node.scale}.router`),
    }));
    const counts = nodes.map(({ node }) => node.paths.length);
    return routedGates(scope, layerLogits(scope, routers), counts, settings);
  };
  return [routed, gate.kind];
}

// What the file says of itself. The caller's texts come first, so that ours win.
function describe(net: Supernet, gate: string, options: Complete): Record<string, string> {
  const { mode, output, route, size, normalise, classes, config, metadata } = options;
  const asJson = {
    route: route && Array.from(route),
    size: size && { height: size.height, width: size.width },
    normalise,
    classes,
    model: config,
  };
  const given = Object.entries(asJson).filter(([, value]) => value !== undefined);
  return {
    ...metadata,
    format: "caddet-onnx/1",
    version,
    mode,
    output,
    gate,
    threshold: String(net.threshold),
    gateValue: net.gateValue,
    ...Object.fromEntries(given.map(([key, value]) => [key, JSON.stringify(value)])),
  };
}

/**
 * Writes a detector as an ONNX model (operator set 17, IR version 8).
 *
 * Inputs: `images [B, H, W, 3]` float, normalised and padded as `detector.detect` takes them, or plain RGB with `normalise`; and, for
 * detections and with `normalise`, `sizes [B, 4]` float: height, width, scaleX, scaleY of each image (core's `ImageSize`).
 *
 * Outputs: `boxes [N, 4]` in pixels (in source pixels by the scales), `scores [N]`, `labels [N]`, `image_index [N]`, image by image,
 * best first; or `classes_0`, … `[B, H, W, C]`, or `features_0`, …; always `gates [B, P]`, closed ones 0, and `madds [B]` double, what
 * the gates of each image ask for. In mode "dynamic" a node runs for the whole batch when an image needs it.
 *
 * @param detector a supernet and an FCOS or RetinaNet head; it stays the caller's
 * @param options mode, what it gives, input
 * @returns the file's bytes
 * @throws ConfigError for an option out of range, or a part that ONNX cannot express; CheckpointError for weights that are not finite
 * @example await writeFile("model.onnx", await exportOnnx(detector, { classes }))
 */
export async function exportOnnx(detector: Detector, options: OnnxOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  const complete = checkedOptions(options);
  const { mode, output, size, normalise } = complete;
  const net = checkedBackbone(detector, complete);
  const head = checkedHead(detector, complete);
  const weights = weightsOf(await readState(detector));
  const backbone = weights.at("backbone");
  const [decide, gate] = decider(net, backbone, complete);

  const scope = createScope();
  const pixels = normalise ? normaliseImages(scope.at("input"), normalise) : IMAGES;
  const images = scope.op("Transpose", [pixels], { perm: [0, 3, 1, 2] }, "input/nchw");
  const built = buildSupernet(scope, { net, weights: backbone, images, decide, size, branches: mode === "dynamic" });
  const found = head
    ? headOutputs(scope, head, weights.at("head"), built.features, { output, shapeOf: shapesOf(net, size) })
    : featureOutputs(scope, net, built.features, shapesOf(net, size));
  const batch = scope.op("Shape", [IMAGES], { start: 0, end: 1 }, "batch");
  const perImage = (value: Value, shape: readonly number[]) =>
    scope.op("Expand", [value, shape.length > 0 ? scope.op("Concat", [batch, scope.ints(shape)], { axis: 0 }) : batch]);
  const paths = net.space.paths.length;
  const all: Output[] = [
    ...found,
    { name: "gates", type: "float", shape: ["batch", paths], value: perImage(built.gates, [1]) },
    { name: "madds", type: "double", shape: ["batch"], value: perImage(built.madds, []) },
  ];
  const outputs = all.map(({ value, name, type, shape }): ValueInfo => {
    const own = scope.op("Identity", [value], {}, name);
    return { name: own, type, ...(shape ? { shape } : {}) };
  });
  const [height, width] = size ? [size.height, size.width] : ["height", "width"];
  const inputs: ValueInfo[] = [{ name: IMAGES, type: "float", shape: ["batch", height, width, 3] }];
  if (output === "detections" || normalise) inputs.push({ name: SIZES, type: "float", shape: ["batch", 4] });
  const graph = scope.finish("caddet", { inputs, outputs, values: built.values });
  const doc = `CADDet detector, ${mode} routing, gives ${output}.`;
  return encodeModel({ producer: "@caddet/onnx", version, doc, graph }, describe(net, gate, complete));
}
