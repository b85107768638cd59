// The classes of an instances file, checked and sorted by id.
import { DatasetError } from "@caddet/core/base";
import { isId, isRecord, show } from "../json/json-values";
import type { CategoryTable } from "./dataset";

/**
 * Checks the entries of "categories".
 *
 * @param list any values
 * @param file the file's name, for error texts
 * @returns ids and names by rising id
 * @throws DatasetError at a class without id or name, and where two have one id: no annotation could be trusted then
 */
export function parseCategories(list: readonly unknown[], file: string): CategoryTable {
  const rows = list.map((entry, n) => {
    if (!isRecord(entry) || !isId(entry.id) || typeof entry.name !== "string") {
      throw new DatasetError(`${file}: category ${n} needs an integer "id" and a "name", got ${show(entry)}.`, {
        file,
      });
    }
    return { id: entry.id, name: entry.name };
  });
  rows.sort((a, b) => a.id - b.id);
  rows.forEach(({ id }, n) => {
    if (n > 0 && rows[n - 1]!.id === id) {
      throw new DatasetError(`${file}: two categories have the id ${id}. Give each class its own.`, {
        file,
        categoryId: id,
      });
    }
  });
  return { ids: Float64Array.from(rows, (r) => r.id), names: rows.map((r) => r.name) };
}
