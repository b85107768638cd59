// `caddet madds`: the cost of a supernet, node by node, with all paths open. Pure arithmetic; no backend is loaded.
import { ConfigError } from "@caddet/core";
import { createRoutingSpace, PRESETS, supernetCost } from "@caddet/supernet";
import { columns, type Output } from "../output";

/** Options of the command. */
export interface MaddsOptions {
  readonly preset: string;
  readonly size: string;
  readonly json: boolean;
}

const millions = (madds: number | undefined) => (madds === undefined ? "-" : (madds / 1e6).toFixed(2));

/**
 * Prints MAdds of a preset.
 *
 * @throws ConfigError on an unknown preset or a size that is not HxW
 */
export function madds({ preset, size, json }: MaddsOptions, output: Output): void {
  const shape = Object.entries(PRESETS).find(([name]) => name === preset)?.[1];
  if (!shape) {
    throw new ConfigError(`There is no preset "${preset}". Known are ${Object.keys(PRESETS).join(", ")}.`, { preset });
  }
  const match = /^(\d{1,6})x(\d{1,6})$/.exec(size);
  if (!match) throw new ConfigError(`--size takes HEIGHTxWIDTH in pixels, e.g. 640x800, got "${size}".`, { size });
  const cost = supernetCost(createRoutingSpace(shape), { height: Number(match[1]), width: Number(match[2]) });
  const { total, blocks, paths, routers, stem, pyramid, nodes } = cost;
  if (json) {
    output.json({ total, blocks, paths, routers, stem, pyramid, nodes });
    return;
  }
  output.text(`${preset} at ${size}, batch 1, all paths open, in million MAdds\n\n`);
  output.text(
    columns([
      ["node", "block", "up", "keep", "down", "router"],
      ...nodes.map((n) => [
        `layer ${n.layer} scale ${n.scale}`,
        ...[n.block, n.paths.up, n.paths.keep, n.paths.down, n.router].map(millions),
      ]),
    ]),
  );
  output.text("\n");
  const parts = { total, blocks, paths, routers, stem, pyramid };
  output.text(columns(Object.entries(parts).map(([name, value]) => [name, millions(value)])));
  output.text("\ntotal = blocks + paths; norms, activations and interpolation are not counted\n");
}
