// Loads sharp at the first image and not before, so that annotations and results are read without it. Says what to
// install where it is missing. Needs Node.
import { CaddetError } from "@caddet/core/base";
import type sharp from "sharp";

/** What `import sharp from "sharp"` gives. */
export type Sharp = typeof sharp;

/** The image library cannot be loaded. */
export class SharpMissingError extends CaddetError {
  /** What the import said. */
  readonly why: string;

  constructor(why: string, options?: ErrorOptions) {
    super(
      "sharp-missing",
      `Images are decoded by sharp, which cannot be loaded (${why}). Run: npm i sharp; on a machine other than the one that installed it: npm i --include=optional sharp.`,
      {},
      options,
    );
    this.why = why;
  }
}

/** Loads the library; tests replace it. */
export type ImportSharp = () => Promise<{ readonly default: Sharp }>;

function applyPreparation(library: Sharp): void {
  library.cache(false);
  library.concurrency(1);
}

/**
 * Makes a loader of the library that remembers what it loaded.
 *
 * @param importSharp how to load it
 * @returns `load`, which imports once and again after a failure, and `prepare`, which sets threads and cache now or
 *   when it is loaded
 */
export function sharpModule(importSharp: ImportSharp): { load(): Promise<Sharp>; prepare(): void } {
  let loading: Promise<Sharp> | undefined;
  let prepared = false;
  async function loadOnce(): Promise<Sharp> {
    try {
      const { default: library } = await importSharp();
      if (prepared) applyPreparation(library);
      return library;
    } catch (cause) {
      loading = undefined;
      const why = cause instanceof Error ? cause.message.split("\n")[0]!.trim() : String(cause);
      throw new SharpMissingError(why, { cause });
    }
  }
  const load = () => {
    loading ??= loadOnce();
    return loading;
  };
  return {
    load,
    prepare() {
      if (prepared) return;
      prepared = true;
      // A failure is told by who decodes.
      loading?.then(applyPreparation, () => {});
    },
  };
}

const shared = sharpModule(() => import("sharp"));

/** The library; throws SharpMissingError where it is not installed for this machine. */
export const loadSharp: () => Promise<Sharp> = shared.load;

/** Keeps sharp to one thread an image and without a cache: images are read once, many at a time. Process-wide. */
export const prepareSharp: () => void = shared.prepare;
