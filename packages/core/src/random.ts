// Seeded randomness (xoshiro128**, Blackman and Vigna 2018, seeded through splitmix32). The state is four 32-bit words, so that
// a run can be resumed. Not for cryptography.
import { CaddetError } from "./errors";

/** The four words of a generator's state. */
export type RandomState = readonly [number, number, number, number];

/** A seeded generator of random numbers. */
export interface Random {
  /** A float in [0, 1) with 32 random bits. */
  next(): number;
  /** An integer in [0, n). */
  int(n: number): number;
  /** A sample of the normal distribution with mean 0 and standard deviation 1. */
  normal(): number;
  /** A shuffled copy of `items` (Fisher–Yates). */
  shuffle<T>(items: readonly T[]): T[];
  /** The state to pass to {@link restoreRandom}. */
  state(): RandomState;
  /** Goes on from a saved state, for everyone who holds this generator. */
  restore(state: RandomState): void;
}

function splitmix32(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x9e3779b9) | 0;
    let t = a ^ (a >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return (t ^ (t >>> 15)) >>> 0;
  };
}

const rotl = (x: number, k: number) => (x << k) | (x >>> (32 - k));

/**
 * Makes a generator from a seed.
 *
 * @param seed any finite number; only its low 32 bits and, for streams, `stream` count
 * @param stream an independent sequence under the same seed, default 0 (e.g. the epoch)
 * @returns a generator; equal arguments give equal sequences on every platform
 * @throws CaddetError when the seed is not finite
 * @example createRandom(7).next()
 */
export function createRandom(seed: number, stream = 0): Random {
  if (!Number.isFinite(seed) || !Number.isFinite(stream)) {
    throw new CaddetError("random", `The seed must be a finite number, got ${seed} (stream ${stream}).`);
  }
  const mix = splitmix32((seed | 0) ^ Math.imul(stream | 0, 0x85ebca6b));
  return restoreRandom([mix(), mix(), mix(), mix() | 1]);
}

/**
 * Makes a generator that goes on from a saved state.
 *
 * @param state what `Random.state()` returned
 * @returns a generator whose next number is the one that the saved generator would have given
 * @example restoreRandom(random.state())
 */
export function restoreRandom(state: RandomState): Random {
  let [a, b, c, d] = state;
  const next32 = () => {
    const result = Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotl(d, 11);
    return result;
  };
  const next = () => next32() / 4294967296;
  const int = (n: number) => Math.floor(next() * n);
  return {
    next,
    int,
    normal: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
    shuffle: (items) => {
      const out = [...items];
      for (let i = out.length - 1; i > 0; i--) {
        const j = int(i + 1);
        [out[i], out[j]] = [out[j]!, out[i]!];
      }
      return out;
    },
    state: () => [a >>> 0, b >>> 0, c >>> 0, d >>> 0],
    restore: (saved) => {
      [a, b, c, d] = saved;
    },
  };
}
