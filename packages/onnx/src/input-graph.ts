// The front of the graph: images as the inferencer prepares them, or plain RGB that is normalised here, and the part that each fills.
import { ConfigError, type Normalisation } from "@caddet/core";
import type { BoundsGraph } from "./decode-graph";
import type { Scope, Value } from "./graph";

/** Names of the model's inputs. */
export const IMAGES = "images";
export const SIZES = "sizes";

// 1 in the columns or rows that an image fills, 0 in the padding: [B, n] of [B, 1].
function filled(scope: Scope, limit: Value, axis: number): Value {
  const count = scope.op("Squeeze", [scope.op("Shape", [IMAGES], { start: axis, end: axis + 1 })]);
  const cells = scope.op("Cast", [scope.op("Range", [scope.ints(0), count, scope.ints(1)])], { to: 1 });
  return scope.op("Less", [cells, limit], {}, "filled");
}

/**
 * Takes plain RGB to what the network was trained on. Padding becomes 0, as it is where images are padded after normalising.
 *
 * @param scope names and nodes
 * @param normalise mean and deviation, RGB, on 0..255
 * @returns `[B, H, W, 3]`
 * @throws ConfigError when a number is not finite or a deviation not positive
 */
export function normaliseImages(scope: Scope, { mean, std }: Normalisation): Value {
  if (![...mean, ...std].every(Number.isFinite) || std.some((v) => v <= 0) || mean.length + std.length !== 6) {
    throw new ConfigError(`Normalising needs three means and three positive deviations, got [${mean}] and [${std}].`);
  }
  const centred = scope.op("Sub", [IMAGES, scope.floats(mean)]);
  const scaled = scope.op("Div", [centred, scope.floats(std)]);
  const [height, width] = scope.ops("Split", [SIZES, scope.ints([1, 1, 2])], 3, { axis: 1 });
  const rows = scope.op("Unsqueeze", [filled(scope.at("rows"), height!, 1), scope.ints([2, 3])]);
  const columns = scope.op("Unsqueeze", [filled(scope.at("columns"), width!, 2), scope.ints([1, 3])]);
  return scope.op("Where", [scope.op("And", [rows, columns]), scaled, scope.floats(0)], {}, "normalised");
}

/**
 * The bounds and scales of each image's boxes.
 *
 * @param scope names and nodes
 * @returns both `[B, 1, 4]`, across and down in turn
 */
export function boundsOfImages(scope: Scope): BoundsGraph {
  const pick = (columns: readonly number[], name: string) =>
    scope.op("Unsqueeze", [scope.op("Gather", [SIZES, scope.ints(columns)], { axis: 1 }), scope.ints([1])], {}, name);
  return { bounds: pick([1, 0, 1, 0], "bounds"), scales: pick([2, 3, 2, 3], "scales") };
}
