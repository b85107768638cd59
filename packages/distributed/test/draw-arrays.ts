// Arrays that differ from rank to rank, for exchanges between them.
import { createRandom } from "@caddet/core/base";

/** What a rank has at first: numbers of very different size, so that the order of a sum shows. */
export function drawArrays(seed: number, rank: number, lengths: readonly number[]): Float32Array[] {
  const random = createRandom(seed, rank);
  return lengths.map((n) => Float32Array.from({ length: n }, () => random.normal() * 10 ** (random.int(12) - 6)));
}
