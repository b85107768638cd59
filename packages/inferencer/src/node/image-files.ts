// Which image files are meant by paths, folders and globs. Files in folders are judged by the ending of their names; whether a file can
// be decoded is open-image's to say. Needs Node.
import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { DatasetError } from "@caddet/core";
import { glob, isDynamicPattern } from "tinyglobby";

/** Options of {@link imageFiles}. */
export interface ImageFilesOptions {
  /** Whether the folders within a folder count, too. Default false; in a glob, `**` says so. */
  readonly recursive?: boolean;
  /** Told of each file in a folder or of a glob that is no image by its name, before the first image is given. */
  readonly onSkip?: (file: string) => void;
}

const IMAGE_NAME = /\.(jpe?g|jpe|jfif|png|webp|tiff?|gif|avif)$/i;
// img2 before img10; ties, such as A and a, by code units, so that the order is the same everywhere.
const collator = new Intl.Collator("en", { numeric: true });
const inOrder = (a: string, b: string) => collator.compare(a, b) || (a < b ? -1 : 1);

async function matching(pattern: string, folder: string | undefined): Promise<string[]> {
  const options = { absolute: isAbsolute(pattern), expandDirectories: false };
  const found = await glob(pattern, folder === undefined ? options : { ...options, cwd: folder });
  return found.sort(inOrder);
}

// What an input names before endings are looked at; undefined for a single file, which is taken as it is.
async function listed(input: string, isRecursive: boolean): Promise<string[] | undefined> {
  let found: Stats | undefined;
  try {
    found = await stat(input);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code !== "ENOENT" && code !== "ENOTDIR" && code !== "EINVAL") {
      throw new DatasetError(`${input} cannot be read (${code}). Check its rights.`, { file: input }, { cause });
    }
  }
  if (found?.isDirectory()) {
    const names = await matching(isRecursive ? "**/*" : "*", input);
    return names.map((name) => join(input, name));
  }
  if (found) return undefined;
  // On Windows "\" parts folders, also in what a user writes as a glob.
  const pattern = process.platform === "win32" ? input.replaceAll("\\", "/") : input;
  if (isDynamicPattern(pattern)) return matching(pattern, undefined);
  throw new DatasetError(`There is no file or folder ${input}. Check the path.`, { file: input });
}

async function* found(inputs: readonly string[], { recursive = false, onSkip }: ImageFilesOptions) {
  if (inputs.length === 0) throw new DatasetError("No image was named. Name files, folders or globs.");
  const files = new Map<string, string>();
  const add = (file: string) => {
    const path = resolve(file);
    if (!files.has(path)) files.set(path, file);
  };
  for (const input of inputs) {
    const names = await listed(input, recursive);
    if (names === undefined) {
      add(input);
      continue;
    }
    const images = names.filter((name) => IMAGE_NAME.test(name));
    if (images.length === 0) {
      const others = names.length === 0 ? "no file" : `${names.length} files of other kinds`;
      throw new DatasetError(
        `No image in ${input}, ${others}. Looked for are names that end in .jpg, .png, .webp, .tif, .gif or .avif${recursive ? "" : "; recursive looks into the folders below, too"}.`,
        { input, files: names.length },
      );
    }
    images.forEach(add);
    if (onSkip) for (const name of names) if (!IMAGE_NAME.test(name)) onSkip(name);
  }
  yield* files.values();
}

/**
 * Finds image files. Everything is listed before the first is given, so that a wrong path shows before work begins.
 *
 * @param inputs files, taken whatever their names; folders and globs (`*`, `**`, `?`, `[a-z]`, `{jpg,png}`), of which names that end as
 *   an image's do are taken. Hidden files are left out, links are followed. A file that is there is no glob, whatever its name
 * @param options whether folders are looked into, and who is told of what was skipped
 * @returns paths, in the inputs' order and of each folder or glob in natural order (`img2` before `img10`); a file named twice is given once
 * @throws DatasetError, from the iteration, when there are no inputs, or one of them does not exist or names no image
 * @example for await (const file of imageFiles(["photos", "more/*.png"])) await openImage(file);
 */
export function imageFiles(inputs: readonly string[], options: ImageFilesOptions = {}): AsyncIterable<string> {
  return { [Symbol.asyncIterator]: () => found(inputs, options) };
}
