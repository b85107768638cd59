// Warns a training run of routes that collapse: joins the trainer's hooks with the router's monitor, which do not know each other.
import type { Backbone } from "@caddet/core";
import { createGateHealth, type GateHealth, type GateHealthOptions } from "@caddet/router";
import { Supernet } from "@caddet/supernet";
import type { TrainHook } from "@caddet/trainer";

/** Options of {@link gateHealthHook}. */
export type GateHealthHookOptions = Pick<GateHealthOptions, "window" | "minEntropy" | "binary">;

// `node 2_1 down` for a supernet, as its weights are called; `node 7 path 2` for any other network.
function pathNames(backbone: Backbone, nodeOfPath: readonly number[]): string[] {
  if (!(backbone instanceof Supernet)) {
    return nodeOfPath.map((node, path) => `node ${node} path ${path - nodeOfPath.indexOf(node)}`);
  }
  const { nodes, paths } = backbone.space;
  return paths.map(({ from, kind }) => `node ${nodes[from]!.layer}_${nodes[from]!.scale} ${kind}`);
}

/**
 * A hook that says when routes collapse: at the end of each epoch and of the run, each kind of warning that concerns at least half of
 * all paths and was not there before. Single paths that never change are normal in a trained network. It is silent for a static
 * backbone, until its window is full, and about epochs before `regularizeFromEpoch`, in which all paths are meant to be open.
 *
 * @param warn takes one sentence
 * @param options window in images (default 256) and what counts as collapse
 * @returns the hook, for one run at a time
 * @example createTrainer({ detector, batches, config, hooks: [gateHealthHook((text) => process.stderr.write(`${text}\n`))] })
 */
export function gateHealthHook(warn: (text: string) => void, options: GateHealthHookOptions = {}): TrainHook {
  let health: GateHealth | undefined;
  let said = new Set<string>();
  const judge = () => {
    if (!health) return;
    const { openRate, warnings } = health.report();
    const grave = warnings.filter(({ paths }) => paths.length >= openRate.length / 2);
    for (const { kind, message } of grave) if (!said.has(kind)) warn(message);
    said = new Set(grave.map(({ kind }) => kind));
  };

  return {
    name: "gate health",
    onStart: ({ detector: { backbone } }) => {
      const { routing } = backbone;
      if (!routing) return;
      const names = pathNames(backbone, routing.nodeOfPath);
      health = createGateHealth({ ...options, paths: names.length, names, tau: routing.threshold });
    },
    onGates: (gates, epoch, { config }) => {
      if (epoch >= config.regularizeFromEpoch) health!.add(gates);
    },
    onEpoch: judge,
    onEnd: judge,
  };
}
