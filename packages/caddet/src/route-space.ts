// The routing space of a model's file, for figures of its routes: pure data, without weights. Only supernets have one.
import { CheckpointError, type Size } from "@caddet/core";
import { parseModelConfig, readDetectorFile, verifyDetectorFile } from "@caddet/detector";
import {
  createRoutingSpace,
  PRESETS,
  type RoutingSpace,
  type SupernetConfig,
  type SupernetShape,
  supernetCost,
} from "@caddet/supernet";
import { parts } from "./parts";
import type { RunFile } from "./run-file";

/** What a route is drawn in. */
export interface RouteSpace {
  readonly space: RoutingSpace;
  /** Gates below are closed. */
  readonly threshold: number;
  /** MAdds of blocks and paths with all paths open, for an input size. */
  totalMadds(input: Size): number;
}

async function modelOf({ file, bytes, format }: RunFile): Promise<unknown> {
  if (format === "safetensors") {
    await verifyDetectorFile(bytes, file);
    return readDetectorFile(bytes, file).model;
  }
  // Loaded when it is needed: most files are checkpoints.
  const { readOnnxMetadata } = await import("@caddet/onnx");
  const { model } = await readOnnxMetadata(bytes, file);
  return model === undefined ? undefined : JSON.parse(model);
}

function shapeOf({ preset, layers, channels, sepConvs, pyramid }: SupernetConfig): SupernetShape {
  const base = PRESETS[preset];
  return {
    layers: layers ?? base.layers,
    channels: channels ?? base.channels,
    sepConvs: sepConvs ?? base.sepConvs,
    pyramid: pyramid ?? base.pyramid,
  };
}

/**
 * Reads the routing space of a model's file.
 *
 * @param run the file
 * @returns nodes, paths, threshold and cost
 * @throws CheckpointError when the file is broken, has no configuration, or its backbone is no supernet
 */
export async function readRouteSpace(run: RunFile): Promise<RouteSpace> {
  const model = await modelOf(run);
  const backbone = model === undefined ? undefined : parseModelConfig(model, parts).backbone;
  if (backbone?.type !== "supernet") {
    const has = backbone ? `a backbone of type ${backbone.type}` : "no configuration of its network";
    throw new CheckpointError(`${run.file} has ${has}; only a supernet's routes can be drawn. Leave --routes out.`, {
      file: run.file,
    });
  }
  const config = backbone as SupernetConfig;
  const space = createRoutingSpace(shapeOf(config));
  return { space, threshold: config.threshold, totalMadds: (input) => supernetCost(space, input).total };
}
