// A supernet's own weights as the parts that the routed executor runs: nothing folded, moments read at each call, so that it follows
// every change of the weights. The frozen counterpart is in frozen-parts.ts.
import * as tf from "@tensorflow/tfjs-core";
import { rowsOf } from "./packed-maps";
import type { InferenceParts } from "./routed";
import type { Supernet } from "./supernet";

/** The live parts of a supernet in inference mode. */
export function plainParts(net: Supernet): InferenceParts {
  const { channels } = net.space.shape;
  return {
    channels,
    threshold: net.threshold,
    gateValue: net.gateValue,
    stem: (images) => net.stem.apply(images, false),
    block: (node, x) => net.nodes[node]!.computeBlock(x, false),
    path: (node, kind, y, upSize) => net.nodes[node]!.computePath(kind, y, upSize, false),
    gates: (layer, inputs, batch, plan) => {
      const all = Array.from({ length: batch }, (_, b) => b);
      const gates = plan.layers[layer]!.nodes.map(({ index, scale }) => {
        const x = rowsOf(inputs[scale], all, [...plan.sizes[scale]!, channels[scale]!]);
        return net.nodes[index]!.router.forward(x, { training: false });
      });
      return tf.concat(gates, 1);
    },
    pyramid: (maps) => net.pyramid(maps),
  };
}
