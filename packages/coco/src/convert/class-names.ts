// The class names of a YOLO data set: `names` in data.yaml (a list, or a map from class to name), or classes.txt, a name a line. Needs
// Node.
import { DatasetError } from "@caddet/core/base";
import { readTextInside } from "../check/folder-files";
import { isRecord, show } from "../json/json-values";

const MAX_BYTES = 1_000_000;

// The names of `names`, by class.
function namesOf(value: unknown, file: string): string[] {
  const entries = isRecord(value) ? Object.entries(value) : Array.isArray(value) ? [...value.entries()] : [];
  const names: string[] = [];
  for (const [key, name] of entries) {
    const label = Number(key);
    if (!Number.isInteger(label) || label < 0 || label >= entries.length || typeof name !== "string") {
      const message = `${file}: "names" must give a text for each class from 0 to ${entries.length - 1}, got ${show(name)} for ${show(key)}.`;
      throw new DatasetError(message, { file });
    }
    names[label] = name;
  }
  if (names.length === 0) {
    throw new DatasetError(`${file}: expected class names under "names", a list or a map, got ${show(value)}.`, {
      file,
    });
  }
  return names;
}

async function namesFromYaml(text: string, file: string): Promise<string[]> {
  const { parse, YAMLParseError } = await import("yaml");
  let value: unknown;
  try {
    // Plain values only; aliases could grow a small file without bound.
    value = parse(text, { schema: "core", maxAliasCount: 0, prettyErrors: true });
  } catch (cause) {
    const line = cause instanceof YAMLParseError ? cause.linePos?.[0].line : undefined;
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new DatasetError(`${file}${line ? `:${line}` : ""}: is no YAML (${reason}).`, { file, line }, { cause });
  }
  return namesOf(isRecord(value) ? value.names : undefined, file);
}

/**
 * Finds the class names of a data set.
 *
 * @param folder a real path, with data.yaml, data.yml, dataset.yaml or classes.txt in it or in labels/
 * @returns the name of each class `[K]`
 * @throws DatasetError when there is no such file, or what is wrong in it, with its line
 */
export async function readClassNames(folder: string): Promise<string[]> {
  for (const name of ["data.yaml", "data.yml", "dataset.yaml"]) {
    const text = await readTextInside(folder, name, MAX_BYTES);
    if (text !== undefined) return namesFromYaml(text, name);
  }
  for (const name of ["classes.txt", "labels/classes.txt"]) {
    const text = await readTextInside(folder, name, MAX_BYTES);
    const names = text?.split(/\r\n|\n|\r/).map((line) => line.trim());
    while (names?.at(-1) === "") names.pop();
    if (!names) continue;
    const empty = names.indexOf("");
    if (names.length === 0 || empty >= 0) {
      throw new DatasetError(`${name}:${empty + 1}: expected a class name on each line, got an empty one.`, {
        file: name,
        line: empty + 1,
      });
    }
    return names;
  }
  throw new DatasetError(
    `${folder}: has neither data.yaml nor classes.txt. Name the classes there or with the option "names".`,
    { folder },
  );
}
