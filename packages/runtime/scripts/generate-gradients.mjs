// Bundles the gradients of TensorFlow.js into src/generated/gradients.js. tfjs-core itself registers none in Node, and its
// file that does cannot be imported as native ESM. What tfjs-core exports stays an import; the rest is bundled.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const CORE = "@tensorflow/tfjs-core";
const out = fileURLToPath(new URL("../src/generated/", import.meta.url));
const require = createRequire(import.meta.url);
const core = dirname(require.resolve(CORE));
const exported = new Set(Object.keys(require(CORE)));
const { version } = require(`${CORE}/package.json`);

// Modules with state or side effects, which must be those of the application's own tfjs-core. All that the gradients use
// of them is exported there under the same name.
const SHARED = new Set([
  "base.js",
  "environment.js",
  "gradients.js",
  "kernel_names.js",
  "kernel_registry.js",
  "ops/operation.js",
]);

// The same for modules of which tfjs-core exports only other names. Asked for at each use: importing the result does nothing.
const STAND_INS = {
  "engine.js": `import { engine } from "${CORE}";
    export const ENGINE = {
      runKernel: (...args) => engine().runKernel(...args),
      makeTensor: (...args) => engine().makeTensor(...args),
      get backend() { return engine().backend; },
    };`,
  "tensor.js": `import { Tensor } from "${CORE}";
    export { Tensor };
    export const getGlobalTensorClass = () => Tensor;`,
};

/** Whether a file of tfjs-core defines operations, all of which tfjs-core exports under the same names. */
async function isPublicOperation(file) {
  if (!file.startsWith("ops/") || file.endsWith("_util.js")) return false;
  const source = await readFile(join(core, file), "utf8");
  const names = [...source.matchAll(/^export (?:const|function|\{) ?(\w+)/gm)].map((match) => match[1]);
  return names.length > 0 && names.every((name) => exported.has(name));
}

const gradients = {
  name: "gradients",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^\./ }, async ({ path, resolveDir }) => {
      const file = `${relative(core, join(resolveDir, path))}.js`.replaceAll("\\", "/");
      if (file in STAND_INS) return { path: file, namespace: "stand-in" };
      if (SHARED.has(file) || (await isPublicOperation(file))) return { path: CORE, external: true };
      return undefined;
    });
    onLoad({ filter: /./, namespace: "stand-in" }, ({ path }) => ({ contents: STAND_INS[path], resolveDir: core }));
    onLoad({ filter: /register_all_gradients\.js$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const loop = /^for \(const gradientConfig of gradConfigs\) \{\n.*\n\}/m;
      if (!loop.test(source)) throw new Error(`${basename(path)} of ${CORE} ${version} registers in another way.`);
      return {
        contents: source.replace(
          loop,
          `import { getGradient } from "${CORE}";
          export function registerAllGradients() {
            for (const gradient of gradConfigs) if (!getGradient(gradient.kernelName)) registerGradient(gradient);
          }`,
        ),
      };
    });
  },
};

await mkdir(out, { recursive: true });
const { metafile } = await build({
  entryPoints: [join(core, "register_all_gradients.js")],
  outfile: `${out}gradients.js`,
  bundle: true,
  format: "esm",
  target: "es2022",
  platform: "neutral",
  mainFields: ["module", "main"],
  external: [CORE],
  legalComments: "none",
  minifyWhitespace: true,
  minifySyntax: true,
  metafile: true,
  logLevel: "warning",
  banner: {
    js: `/*! Gradients of ${CORE} ${version}, Copyright Google LLC, Apache-2.0. Bundled by scripts/generate-gradients.mjs. */`,
  },
  plugins: [gradients],
});

// A second engine, environment or tensor class would split the state of the application in two.
const FORBIDDEN =
  /dist\/(engine|environment|tensor|flags|globals|kernel_registry|base_side_effects|platforms\/platform_.*)\.js$/;
const doubled = Object.entries(Object.values(metafile.outputs)[0].inputs)
  .filter(([file, { bytesInOutput }]) => bytesInOutput > 0 && FORBIDDEN.test(file))
  .map(([file]) => file);
if (doubled.length > 0) throw new Error(`The bundle has a copy of ${doubled.join(", ")}.`);

const source = await readFile(`${out}gradients.js`, "utf8");
const unknown = [...source.matchAll(/import ?\{([^}]*)\} ?from ?"@tensorflow\/tfjs-core"/g)]
  .flatMap((match) => match[1].split(","))
  .map((name) => name.trim().split(" as ")[0])
  .filter((name) => !exported.has(name));
if (unknown.length > 0) throw new Error(`${CORE} ${version} does not export ${unknown.join(", ")}.`);

await writeFile(
  `${out}gradients.d.ts`,
  `// Written by scripts/generate-gradients.mjs. Do not edit.
/** Registers each gradient of TensorFlow.js that is not registered yet. */
export declare function registerAllGradients(): void;
`,
);
