// How often each node of a routing space runs: the grid of Figures 6 and 7 of the paper as shaded cells with percentages, columns
// layers, rows scales. One hue and the number itself, so that no colour scale has to be read.
import { ConfigError, ShapeError } from "@caddet/core/base";
import { shorten, textWidth } from "./lettering";
import { COLOURS } from "./palette";
import type { RouteSpace } from "./route";
import { element, figure, label, tooltip } from "./svg";

/** How usage is drawn. */
export interface UsageOptions {
  /** Shown above, and the accessible name. Default "Node usage". */
  readonly title?: string;
  /** One name a scale, fine to coarse; default "scale 0", "scale 1" and so on. */
  readonly scaleLabels?: readonly string[];
}

const [WIDTH, HEIGHT, TOP] = [36, 28, 52];
/** From this strength on, white is easier to read on the hue than the page's ink. */
const WHITE_FROM = 0.8;

/**
 * Draws how often nodes run.
 *
 * @param space its nodes; paths are not looked at
 * @param rates `[nodes]` in [0, 1]: the share of images in which each node runs
 * @param options title, names of the scales
 * @returns a complete SVG document; without nodes, a frame that says "no nodes"
 * @throws ShapeError when there is not one rate a node
 * @throws ConfigError when a rate is outside [0, 1]
 * @example usageSvg(model.space, rates, { title: "Nodes that run, busy images" })
 */
export function usageSvg(
  { nodes }: Pick<RouteSpace, "nodes">,
  rates: ArrayLike<number>,
  { title = "Node usage", scaleLabels = [] }: UsageOptions = {},
): string {
  if (rates.length !== nodes.length) {
    throw new ShapeError(`The space has ${nodes.length} nodes, got ${rates.length} rates. Give one rate a node.`);
  }
  const wrong = Array.from(rates).findIndex((rate) => !(rate >= 0 && rate <= 1));
  if (wrong >= 0) throw new ConfigError(`Rates lie in [0, 1], got ${rates[wrong]} for node ${wrong}.`);
  const heading = label(shorten(title, 60), 10, 20, { "font-size": 14, "font-weight": 600 });
  if (nodes.length === 0) {
    const note = label("no nodes", 10, 44, { opacity: 0.7 });
    return figure({ width: 320, height: 60, label: `${title}: no nodes` }, heading, note);
  }
  const layers = 1 + Math.max(...nodes.map((node) => node.layer));
  const scales = 1 + Math.max(...nodes.map((node) => node.scale));
  const names = Array.from({ length: scales }, (_, s) => shorten(scaleLabels[s] ?? `scale ${s}`, 16));
  const left = 18 + Math.max(...names.map((text) => textWidth(text, 11)));
  const cells = nodes.map(({ layer, scale }, i) => {
    const rate = rates[i]!;
    const [x, y] = [left + layer * WIDTH, TOP + scale * HEIGHT];
    const place = { class: "cell", x: x + 1, y: y + 1, width: WIDTH - 2, height: HEIGHT - 2 };
    const look = { fill: COLOURS.blue, "fill-opacity": rate, stroke: "currentColor", "stroke-opacity": 0.3 };
    const ink = { "font-size": 11, "text-anchor": "middle", fill: rate >= WHITE_FROM ? "#fff" : "currentColor" };
    const hint = tooltip(`layer ${layer + 1}, ${names[scale]}: runs in ${(rate * 100).toFixed(1)}%`);
    return (
      element("rect", { ...place, ...look }, hint) +
      label(String(Math.round(rate * 100)), x + WIDTH / 2, y + HEIGHT / 2 + 4, ink)
    );
  });
  const rows = names.map((text, s) =>
    label(text, left - 8, TOP + (s + 0.5) * HEIGHT + 4, { "font-size": 11, "text-anchor": "end" }),
  );
  const columns = Array.from({ length: layers }, (_, l) =>
    label(String(l + 1), left + (l + 0.5) * WIDTH, TOP - 6, { "font-size": 10, "text-anchor": "middle", opacity: 0.8 }),
  );
  const described = names.map((name, s) => {
    const own = nodes.flatMap(({ scale }, i) => (scale === s ? [Math.round(rates[i]! * 100)] : []));
    return `${name}: ${own.join(", ")}`;
  });
  return figure(
    {
      width: Math.max(left + layers * WIDTH + 10, 24 + textWidth(shorten(title, 60), 15)),
      height: TOP + scales * HEIGHT + 10,
      label: title,
      description: `Percentage of images by layer. ${described.join("; ")}.`,
      className: "route compact",
    },
    heading,
    ...rows,
    ...columns,
    ...cells,
  );
}
