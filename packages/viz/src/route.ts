// The route that an image takes through a routing space, as in Figures 6 and 7 of the paper: columns are layers, rows are scales from
// fine to coarse, and each path's line follows its gate. The space is any structure of nodes and paths; no package of ours is needed.
import { ConfigError, ShapeError } from "@caddet/core/base";
import { formatMadds, shorten, textWidth } from "./lettering";
import { COLOURS } from "./palette";
import { element, figure, label, tooltip } from "./svg";

/** Where a path leads: to the finer scale, the same or the coarser one. */
export type RoutePathKind = "up" | "keep" | "down";

/** Nodes and paths of a routing space. `RoutingSpace` of `@caddet/supernet` is one. */
export interface RouteSpace {
  readonly nodes: readonly { readonly layer: number; readonly scale: number }[];
  /** `from` and `to` are indices into `nodes`; `to` is null behind the last layer. */
  readonly paths: readonly { readonly from: number; readonly to: number | null; readonly kind: RoutePathKind }[];
}

/** How a route is drawn. */
export interface RouteOptions {
  /** Shown above the route, and its accessible name. Default "Route". */
  readonly title?: string;
  /** Gates below are closed (τ of the paper), default 1e-4. */
  readonly threshold?: number;
  /** Executed multiply-adds, for the caption. */
  readonly madds?: number;
  /** Multiply-adds of the whole space, to give `madds` as a share. */
  readonly totalMadds?: number;
  /** One name a scale, fine to coarse; default "scale 0", "scale 1" and so on. */
  readonly scaleLabels?: readonly string[];
  /** Stands in place of MAdds and counts, e.g. "mean of 40 images". */
  readonly caption?: string;
  /** Draws layers closer together, so that two routes fit side by side. Default false. */
  readonly compact?: boolean;
  /** Whether to explain the marks below, default true. */
  readonly legend?: boolean;
}

const KIND_COLOURS: Readonly<Record<RoutePathKind, string>> = {
  up: COLOURS.vermillion,
  keep: COLOURS.blue,
  down: COLOURS.green,
};
const KIND_NAMES: Readonly<Record<RoutePathKind, string>> = {
  up: "up, to finer",
  keep: "keep",
  down: "down, to coarser",
};
interface Pitch {
  readonly column: number;
  readonly row: number;
  readonly radius: number;
}
const WIDE: Pitch = { column: 42, row: 44, radius: 6.5 };
const COMPACT: Pitch = { column: 24, row: 36, radius: 4.5 };
const CLOSED = { "stroke-width": 0.8, "stroke-opacity": 0.22, stroke: "currentColor" };

/** Width and strength of an open path; both grow with the gate. */
function openLook(gate: number) {
  return { "stroke-width": 1.2 + 3.3 * gate, "stroke-opacity": 0.4 + 0.6 * gate };
}

/** A line between two nodes' rims, so that hollow ones stay hollow. */
function between([x1, y1]: readonly [number, number], [x2, y2]: readonly [number, number], radius: number) {
  const share = radius / Math.hypot(x2 - x1, y2 - y1);
  const [dx, dy] = [(x2 - x1) * share, (y2 - y1) * share];
  return { x1: x1 + dx, y1: y1 + dy, x2: x2 - dx, y2: y2 - dy };
}

function checkGates(space: RouteSpace, gates: ArrayLike<number>): void {
  if (gates.length !== space.paths.length) {
    throw new ShapeError(
      `The space has ${space.paths.length} paths, got ${gates.length} gates. Give one gate a path, in the order of the paths.`,
    );
  }
  const wrong = Array.from(gates).findIndex((gate) => !(gate >= 0 && gate <= 1));
  if (wrong >= 0) throw new ConfigError(`Gates lie in [0, 1], got ${gates[wrong]} for path ${wrong}.`);
  const astray = space.paths.findIndex(
    ({ from, to }) => space.nodes[from] === undefined || (to !== null && space.nodes[to] === undefined),
  );
  if (astray >= 0) {
    const { from, to } = space.paths[astray]!;
    throw new ConfigError(
      `Path ${astray} leads from node ${from} to ${to}, but there are ${space.nodes.length} nodes.`,
    );
  }
}

// The marks in words, in one row where `right` is not given.
function routeLegend(left: number, top: number, right = Number.POSITIVE_INFINITY) {
  let [x, y, width] = [left, top, 0];
  const parts: string[] = [];
  const entry = (text: string, mark: string) => {
    const room = 26 + textWidth(text, 11) + 18;
    if (x > left && x + room > right) [x, y] = [left, y + 20];
    parts.push(
      element(
        "g",
        { transform: `translate(${Math.round(x)} ${Math.round(y)})` },
        mark,
        label(text, 26, 4, { "font-size": 11 }),
      ),
    );
    x += room;
    width = Math.max(width, x);
  };
  const stroke = (x1: number, y1: number, y2: number, look: Readonly<Record<string, string | number>>) =>
    element("line", { x1, y1, x2: 20, y2, ...look });
  for (const [kind, y1, y2] of [
    ["up", 5, -5],
    ["keep", 0, 0],
    ["down", -5, 5],
  ] as const) {
    entry(KIND_NAMES[kind], stroke(2, y1, y2, { stroke: KIND_COLOURS[kind], "stroke-width": 3 }));
  }
  entry("closed", stroke(2, 0, 0, { ...CLOSED, "stroke-opacity": 0.45 }));
  entry(
    "input passed on",
    stroke(2, 0, 0, { stroke: "currentColor", "stroke-width": 1.4, "stroke-dasharray": "1.5 3" }),
  );
  entry("node runs", element("circle", { cx: 11, cy: 0, r: 5, fill: "currentColor" }));
  entry("dropped", element("circle", { cx: 11, cy: 0, r: 4.5, fill: "none", stroke: "currentColor", opacity: 0.6 }));
  return { markup: parts.join(""), width, bottom: y };
}

/**
 * Draws the legend of routes alone, for several that stand together without one.
 *
 * @param options `width` in CSS pixels, default 420; the height follows from it
 * @returns a complete SVG document
 * @example galleryHtml([{ html: easy }, { html: busy }]) + figureHtml({ html: routeLegendSvg() })
 */
export function routeLegendSvg({ width = 420 }: { readonly width?: number } = {}): string {
  const { markup, bottom } = routeLegend(10, 14, width);
  const description = "Wider lines are greater gates.";
  return figure({ width, height: bottom + 14, label: "Marks of a route", description }, markup);
}

function captionOf(
  { madds, totalMadds, caption }: RouteOptions,
  open: number,
  paths: number,
  run: number,
  nodes: number,
): string {
  if (caption !== undefined) return caption;
  const counts = `${open} of ${paths} paths open, ${run} of ${nodes} nodes run`;
  if (madds === undefined) return counts;
  const share = totalMadds ? ` (${((100 * madds) / totalMadds).toFixed(0)}% of ${formatMadds(totalMadds)})` : "";
  return `${formatMadds(madds)} MAdds${share} · ${counts}`;
}

/**
 * Draws a route. A node whose paths are all closed is dropped: drawn hollow, its input passed on along keep.
 *
 * @param space nodes and paths
 * @param gates `[paths]` in [0, 1], in the order of the paths
 * @param options title, threshold, MAdds or another caption, names of the scales; `compact` for routes side by side, without a legend
 * @returns a complete SVG document; without nodes, a frame that says "no nodes"
 * @throws ShapeError when there is not one gate a path
 * @throws ConfigError when a gate is outside [0, 1] or a path leads to a node that does not exist
 * @example routeSvg(model.space, gates, { title: "Image 7", madds: 412e6, totalMadds: 980e6 })
 */
export function routeSvg(space: RouteSpace, gates: ArrayLike<number>, options: RouteOptions = {}): string {
  checkGates(space, gates);
  const { title = "Route", threshold = 1e-4, scaleLabels = [], compact = false, legend = !compact } = options;
  const { column, row, radius } = compact ? COMPACT : WIDE;
  const heading = label(shorten(title, compact ? 46 : 90), 10, 20, { "font-size": 14, "font-weight": 600 });
  if (space.nodes.length === 0) {
    const note = label("no nodes", 10, 44, { opacity: 0.7 });
    return figure({ width: 320, height: 60, label: `${title}: no nodes`, className: "route" }, heading, note);
  }
  const layers = 1 + Math.max(...space.nodes.map((node) => node.layer));
  const scales = 1 + Math.max(...space.nodes.map((node) => node.scale));
  const rowNames = Array.from({ length: scales }, (_, s) => shorten(scaleLabels[s] ?? `scale ${s}`, 16));
  const left = 30 + Math.max(...rowNames.map((text) => textWidth(text, 11)));
  const top = 68;
  const x = (layer: number) => left + layer * column;
  const y = (scale: number) => top + scale * row;

  const isOpen = (path: number) => gates[path]! >= threshold;
  const runs = space.nodes.map(() => false);
  space.paths.forEach(({ from }, i) => {
    if (isOpen(i)) runs[from] = true;
  });
  const caption = captionOf(
    options,
    space.paths.filter((_, i) => isOpen(i)).length,
    space.paths.length,
    runs.filter(Boolean).length,
    space.nodes.length,
  );

  const lines = space.paths.map(({ from, to, kind }, i) => {
    const [start, end] = [space.nodes[from]!, to === null ? null : space.nodes[to]!];
    const look = isOpen(i) ? { stroke: KIND_COLOURS[kind], ...openLook(gates[i]!) } : CLOSED;
    const ends = between(
      [x(start.layer), y(start.scale)],
      end ? [x(end.layer), y(end.scale)] : [x(start.layer) + column * 0.55 + radius, y(start.scale)],
      radius,
    );
    const passes = !runs[from] && kind === "keep";
    const drawn = passes
      ? { class: "path passed", ...CLOSED, "stroke-opacity": 0.8, "stroke-dasharray": "1.5 3" }
      : { class: isOpen(i) ? "path open" : "path closed", ...look, "stroke-linecap": "round" };
    const hint = `layer ${start.layer + 1}, ${rowNames[start.scale]}, ${kind}: gate ${gates[i]!.toFixed(3)}`;
    return {
      closed: !isOpen(i),
      markup: element("line", { "data-path": String(i), ...ends, ...drawn }, tooltip(hint)),
    };
  });
  const nodes = space.nodes.map((node, i) => {
    const [place, hint] = [
      { cx: x(node.layer), cy: y(node.scale) },
      `layer ${node.layer + 1}, ${rowNames[node.scale]}`,
    ];
    return runs[i]
      ? element("circle", { class: "node", ...place, r: radius, fill: "currentColor" }, tooltip(hint))
      : element(
          "circle",
          {
            class: "node dropped",
            ...place,
            r: radius - 1,
            fill: "none",
            stroke: "currentColor",
            "stroke-opacity": 0.45,
          },
          tooltip(`${hint}: dropped`),
        );
  });
  const rows = rowNames.map((text, s) => label(text, left - 18, y(s) + 4, { "font-size": 11, "text-anchor": "end" }));
  const columns = Array.from({ length: layers }, (_, l) =>
    label(String(l + 1), x(l), y(scales - 1) + 26, { "font-size": 10, "text-anchor": "middle", opacity: 0.7 }),
  );
  const ran = rowNames.map((name, s) => {
    const own = space.nodes.flatMap((node, i) => (node.scale === s && runs[i] ? [node.layer + 1] : []));
    return `${name}: ${own.length === 0 ? "none" : own.join(", ")}`;
  });
  const description = `Layers whose nodes run, by scale. ${ran.join("; ")}.`;
  const bottom = y(scales - 1) + 34;
  const marks = legend ? routeLegend(10, bottom + 14) : undefined;
  const width = Math.max(
    x(layers - 1) + column * 0.55 + 14,
    marks?.width ?? 0,
    compact ? 24 + textWidth(shorten(title, 46), 15) : 380,
  );
  return figure(
    {
      width,
      height: bottom + (marks ? 28 : 4),
      label: `${title}: ${caption}`,
      description,
      className: compact ? "route compact" : "route",
    },
    heading,
    label(caption, 10, 40, { opacity: 0.85 }),
    ...rows,
    ...columns,
    ...lines.filter((line) => line.closed).map((line) => line.markup),
    ...lines.filter((line) => !line.closed).map((line) => line.markup),
    ...nodes,
    marks?.markup ?? "",
  );
}
