// The routes that inference is timed on: so large a share of the paths is open, each route within the next, the same on every machine.
import { createRandom } from "@caddet/core";

/** Of the paths that are open. */
export const SHARES = [0.25, 0.5, 0.75, 1] as const;

/** `[paths]`: 1 where a path is open. */
export function routeOf(paths: number, share: number): Float32Array {
  const random = createRandom(7);
  const order = Array.from({ length: paths }, (_, path) => ({ path, key: random.next() }));
  order.sort((a, b) => a.key - b.key);
  const route = new Float32Array(paths);
  for (const { path } of order.slice(0, Math.round(share * paths))) route[path] = 1;
  return route;
}
