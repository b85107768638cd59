// What the engines of the inference benchmark have in common: the job in its folder, the image, and the loop that answers questions on
// stdin. Each engine is a process of its own; peers/caddet_torch.py speaks the same lines.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** The input's size in pixels. */
export const SIZE = { height: 640, width: 800 };

/** `[P]` gates by share of open paths. */
export type Routes = Readonly<Record<string, readonly number[]>>;

/** A question to an engine. */
export interface InferAsk {
  readonly share: number;
  readonly runs: number;
  /** Routers decide, with biases that give the route; otherwise the route is forced, or the engine's only way. */
  readonly routers?: boolean;
}

/** Its answer. */
export interface InferAnswer {
  /** One time a run. */
  readonly ms: readonly number[];
  /** Mean magnitude of every map of the pyramid; tells whether all compute the same. */
  readonly means: readonly number[];
}

/** One pass: how it is run, how its maps are read, what has to be let go. */
export interface Pass<Output> {
  run(): Promise<Output>;
  maps(output: Output): Promise<ArrayLike<number>[]>;
  release(output: Output): void;
}

export function readRoutes(folder: string): Routes {
  return JSON.parse(readFileSync(join(folder, "routes.json"), "utf8")) as Routes;
}

/** The bias that makes a router with zero weights answer with this gate. */
export function biasOf(gate: number): number {
  // A float32 next to 1 would ask for infinity.
  return gate > 0 ? Math.atanh(Math.min(gate, 1 - 2 ** -20)) : -1;
}

/** `[H * W * 3]`: any values that all languages make alike. */
export function benchImage(): Float32Array {
  const { height, width } = SIZE;
  return Float32Array.from({ length: height * width * 3 }, (_, n) => ((n * 7919) % 1000) / 500 - 1);
}

function meanMagnitude(map: ArrayLike<number>): number {
  let sum = 0;
  for (let n = 0; n < map.length; n++) sum += Math.abs(map[n]!);
  return sum / map.length;
}

/**
 * Answers questions until stdin ends.
 *
 * @param greeting what the first line says
 * @param passOf the pass that a question asks for
 */
export async function serve<Output>(greeting: object, passOf: (ask: InferAsk) => Pass<Output>): Promise<void> {
  const say = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);
  say(greeting);
  for await (const line of createInterface({ input: process.stdin })) {
    const ask = JSON.parse(line) as InferAsk;
    const pass = passOf(ask);
    const ms: number[] = [];
    let means: number[] = [];
    for (let n = 0; n < ask.runs; n++) {
      const start = performance.now();
      const output = await pass.run();
      ms.push(performance.now() - start);
      if (n === ask.runs - 1) means = (await pass.maps(output)).map(meanMagnitude);
      pass.release(output);
    }
    say({ ms, means } satisfies InferAnswer);
  }
}
