// The first example of a package's README, run as it stands in a process of its own: what it prints is what its comments say.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);
// `Float32Array(3) [ 1, 0.5, 2 ]` has three numbers.
const numbersIn = (text: string) =>
  Array.from(text.replaceAll(/\w+\(\d+\)/g, "").matchAll(/-?\d+(\.\d+)?/g), ([number]) => number);

it.each(["router", "budget", "path-sim", "baselines"])(
  "%s: the README's example prints what its comments say",
  async (name) => {
    const folder = new URL(`../../packages/${name}/`, import.meta.url);
    const readme = await readFile(new URL("README.md", folder), "utf8");
    const example = /```js\n([\s\S]*?)```/.exec(readme)![1]!;
    const { stdout } = await run(
      process.execPath,
      ["--conditions=@caddet/source", "--import", "tsx", "--input-type=module", "--eval", example],
      { cwd: fileURLToPath(folder) },
    );
    const printing = example.split("\n").filter((line) => /console\.log|\.print\(\)/.test(line));
    const wanted = numbersIn(printing.map((line) => line.split("//")[1] ?? "").join(" "));
    const got = numbersIn(stdout);
    expect(got).toHaveLength(wanted.length);
    for (const [i, number] of wanted.entries()) {
      const [, decimals] = number.split(".");
      const tolerance = decimals ? 0.51 * 10 ** -decimals.length : 1e-6;
      expect(Math.abs(Number(got[i]) - Number(number)), `${got[i]} for ${number}`).toBeLessThan(tolerance);
    }
  },
);
