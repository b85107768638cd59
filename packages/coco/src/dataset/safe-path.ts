// Whether a path from a foreign file stays inside the folder that it is joined to. It looks at the text alone; links are another matter.

/** Whether `name` is a relative path without "..", on any system. */
export function isSafePath(name: string): boolean {
  if (name === "" || name.includes("\0") || /^[\\/]|^[A-Za-z]:/.test(name)) return false;
  return !name.split(/[\\/]/).includes("..");
}
