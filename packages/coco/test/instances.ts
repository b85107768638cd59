// A small instances file to change in tests.

export function instances() {
  return {
    images: [
      { id: 7, file_name: "a.jpg", width: 64, height: 48 },
      { id: 3, file_name: "sub/b.jpg", width: 48, height: 64 },
    ],
    annotations: [
      { id: 11, image_id: 7, category_id: 9, bbox: [1, 2, 10, 20], area: 150, iscrowd: 0 },
      { id: 12, image_id: 3, category_id: 2, bbox: [0, 0, 48, 64], area: 3000, iscrowd: 1 },
      { id: 13, image_id: 7, category_id: 2, bbox: [30.5, 20.25, 33.5, 27.75], area: 800 },
    ],
    categories: [
      { id: 9, name: "dog" },
      { id: 2, name: "cat" },
    ],
  };
}

/** The value with one part replaced: `changed(instances(), ["images", 0, "id"], "x")`. */
export function changed(value: unknown, path: readonly (string | number)[], to: unknown): unknown {
  const copy: unknown = structuredClone(value);
  let at = copy as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  const last = path[path.length - 1]!;
  if (to === undefined) delete at[last];
  else at[last] = to;
  return copy;
}
