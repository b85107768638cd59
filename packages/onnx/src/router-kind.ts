// Which gate a router has, found by asking it: the routers' contract shows features and gates, nothing of what is between. What a
// known router would answer is computed here in plain numbers; who answers otherwise cannot be exported.
import { ConfigError, createRandom, type Router } from "@caddet/core";
import * as tf from "@tensorflow/tfjs-core";
import type { Weights } from "./weights";

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

// The gates of @caddet/router with their default settings, in inference.
const GATES = {
  tanh: (x: number) => Math.max(Math.tanh(x), 0),
  sigmoid: (x: number) => (sigmoid(x) >= 0.5 ? sigmoid(x) : 0),
  "hard-concrete": (x: number) => Math.min(Math.max(sigmoid(x) * 1.2 - 0.1, 0), 1),
  gumbel: (x: number) => (x >= 0 ? 1 : 0),
} as const;

/** The gates that can be exported. */
export type GateKind = keyof typeof GATES;

/** Names of the arrays of a pool router. */
const ARRAYS = ["squeeze.weight", "squeeze.bias", "gate.weight", "gate.bias"];

const PROBES = 8;
const SIDE = 4;

// From weak to strong, so that logits lie on both sides of every threshold.
function probes(channels: number): Float32Array {
  const random = createRandom(0);
  const values = new Float32Array(PROBES * SIDE * SIDE * channels);
  return values.map((_, i) => random.normal() * 4 ** (Math.floor((i * PROBES) / values.length) / 2 - 1));
}

// Logits [PROBES * K] of the paper's router: 2 × 2 cells, 1×1 convolution, ReLU, average, linear map.
function logitsOf(features: Float32Array, channels: number, weights: Weights): Float64Array {
  const [squeeze, squeezeBias, gate, gateBias] = ARRAYS.map((name) => weights.get(name).data) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const [hidden, paths] = [squeezeBias.length, gateBias.length];
  const half = SIDE / 2;
  const logits = new Float64Array(PROBES * paths);
  for (let probe = 0; probe < PROBES; probe++) {
    const average = new Float64Array(hidden);
    for (let cell = 0; cell < 4; cell++) {
      const inner = Float64Array.from(squeezeBias);
      for (let c = 0; c < channels; c++) {
        let mean = 0;
        for (let y = 0; y < half; y++) {
          for (let x = 0; x < half; x++) {
            const row = (cell >> 1) * half + y;
            const column = (cell & 1) * half + x;
            mean += features[((probe * SIDE + row) * SIDE + column) * channels + c]! / half ** 2;
          }
        }
        for (let h = 0; h < hidden; h++) inner[h]! += mean * squeeze[c * hidden + h]!;
      }
      for (let h = 0; h < hidden; h++) average[h]! += Math.max(inner[h]!, 0) / 4;
    }
    for (let k = 0; k < paths; k++) {
      let logit = gateBias[k]!;
      for (let h = 0; h < hidden; h++) logit += average[h]! * gate[h * paths + k]!;
      logits[probe * paths + k] = logit;
    }
  }
  return logits;
}

/**
 * Finds the gate of a router.
 *
 * @param router asked for the gates of a few random features
 * @param weights of the router
 * @param channels of its features
 * @param name for error texts
 * @returns the gate's kind
 * @throws ConfigError when it is no pool router with 2 × 2 cells, or its gate is none of @caddet/router with default settings
 * @example await gateKindOf(supernet.nodes[0].router, weights, 64, "node 0_0")
 */
export async function gateKindOf(router: Router, weights: Weights, channels: number, name: string): Promise<GateKind> {
  const known = ARRAYS.every((array) => weights.has(array));
  const features = probes(channels);
  const answer = known
    ? tf.tidy(() => router.forward(tf.tensor4d(features, [PROBES, SIDE, SIDE, channels]), { training: false }))
    : undefined;
  try {
    const got = await answer?.data<"float32">();
    const logits = got && logitsOf(features, channels, weights);
    const fits = (gate: (logit: number) => number) =>
      logits?.every((x, i) => {
        const size = 1e-3 * Math.max(1, Math.abs(x));
        const [low, high] = [gate(x - size), gate(x + size)]; // rounding may carry a logit over a threshold
        return got![i]! >= Math.min(low, high) - 1e-4 && got![i]! <= Math.max(low, high) + 1e-4;
      });
    const kind = (Object.keys(GATES) as GateKind[]).find((key) => fits(GATES[key]));
    if (kind) return kind;
  } finally {
    answer?.dispose();
  }
  throw new ConfigError(
    `The router of ${name} cannot be exported: it should be createPoolRouter's with pool 2 and one of the gates ` +
      `${Object.keys(GATES).join(", ")} with default settings.`,
    { name },
  );
}
