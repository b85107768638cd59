// What this example is for: it stands on three @caddet packages and TensorFlow.js, by their published entries alone.
import { readdir, readFile } from "node:fs/promises";
import { expect, it } from "vitest";

const folder = new URL("..", import.meta.url);
const manifest = JSON.parse(await readFile(new URL("package.json", folder), "utf8")) as {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies?: unknown;
};

async function importsOf(place: string): Promise<string[]> {
  const names = await readdir(new URL(place, folder));
  const texts = await Promise.all(names.map((name) => readFile(new URL(place + name, folder), "utf8")));
  return texts.flatMap((text) => [...text.matchAll(/^(?:import|export|\}).*?"([^"]+)";$/gm)].map(([, name]) => name!));
}

it("depends on router, budget and path-sim, and on no other @caddet package", () => {
  const ours = Object.keys(manifest.dependencies).filter((name) => name.includes("caddet"));
  expect(ours.sort()).toEqual(["@caddet/budget", "@caddet/path-sim", "@caddet/router"]);
  const others = Object.keys(manifest.dependencies).filter((name) => !ours.includes(name));
  expect(others.every((name) => name.startsWith("@tensorflow/tfjs"))).toBe(true);
  expect(manifest.devDependencies).toBeUndefined();
});

it("imports what it depends on, all of it, without deep paths", async () => {
  const imports = (await importsOf("src/")).filter((name) => !name.startsWith("node:") && !name.startsWith("./"));
  expect([...new Set(imports)].sort()).toEqual(Object.keys(manifest.dependencies).sort());
});
