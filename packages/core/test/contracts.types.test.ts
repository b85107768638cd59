// The contracts as types: what fits them compiles, and of what does not TypeScript's own message names the missing or wrong part.
// The statements below are checked by tsc with the rest; the messages, by compiling snippets here.
import { fileURLToPath } from "node:url";
import type { Tensor2D, Tensor4D } from "@tensorflow/tfjs-core";
import ts from "typescript";
import { beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import {
  type BudgetMapping,
  type BudgetSample,
  type DetectionHead,
  type Detections,
  type FeaturePyramid,
  type HeadLoss,
  type ImageSize,
  Module,
  type Router,
} from "../src";

const folder = fileURLToPath(new URL("..", import.meta.url)).replaceAll("\\", "/");

const PARTS = {
  numClasses: "readonly numClasses = 3;",
  forward: "forward(features: FeaturePyramid) { return features.maps; }",
  loss: "loss(raw: Raw, truths: readonly GroundTruth[]): HeadLoss { throw new Error([raw.length, truths.length].join()); }",
  decode:
    "async decode(raw: Raw, sizes: readonly ImageSize[]): Promise<Detections[]> { return raw.length && sizes.length ? [] : []; }",
  disposeRaw: "disposeRaw(raw: Raw) { raw.forEach((map) => map.dispose()); }",
};

const IMPORTS = `
import { Module, type BudgetMapping, type BudgetSample, type DetectionHead, type Detections, type FeaturePyramid } from "../src";
import type { GroundTruth, HeadLoss, ImageSize, Router } from "../src";
import type { Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core";
type Raw = readonly Tensor4D[];
export type Used = [BudgetMapping, BudgetSample, DetectionHead, Detections, FeaturePyramid, GroundTruth, HeadLoss, ImageSize, Router];
export type Tensors = [Module, Tensor1D, Tensor2D, Tensor4D, Raw];
`;

const head = (parts: Partial<typeof PARTS>) =>
  `export class Head extends Module implements DetectionHead<Raw> { ${Object.values(parts).join("\n")} }`;
const without = (name: keyof typeof PARTS) => {
  const { [name]: _, ...rest } = PARTS;
  return rest;
};
const ROUTER_FORWARD = "forward(features: Tensor4D): Tensor2D { throw new Error(features.shape.join()); }";
const ROUTER_MADDS = "madds(height: number, width: number) { return height * width; }";
const router = (...parts: string[]) => `export class Own extends Module implements Router { ${parts.join("\n")} }`;
const mapping = (value: string) => `export const own: BudgetMapping = ${value};`;

// Snippets and what must be in the message; undefined where they compile.
const SNIPPETS: readonly (readonly [name: string, source: string, message: RegExp | undefined])[] = [
  ["a whole head", head(PARTS), undefined],
  ...(["numClasses", "forward", "loss", "decode", "disposeRaw"] as const).map(
    (name) =>
      [
        `a head without ${name}`,
        head(without(name)),
        new RegExp(`Property '${name}' is missing in type 'Head'`),
      ] as const,
  ),
  [
    "a head that is no Module",
    `export class Head implements DetectionHead<Raw> { ${Object.values(PARTS).join("\n")} }`,
    /Type 'Head' is missing the following properties from type 'DetectionHead<Raw>': #parameters, /,
  ],
  [
    "a head whose boxes come at once",
    head({ ...PARTS, decode: "decode(raw: Raw): Detections[] { return raw.length ? [] : []; }" }),
    /Property 'decode' .*(\n.*)*'Detections\[\]' is missing the following properties from type 'Promise<Detections\[\]>'/,
  ],
  [
    "a head whose loss is a number",
    head({ ...PARTS, loss: "loss(raw: Raw) { return raw.length; }" }),
    /Property 'loss' .*(\n.*)*'number' is not assignable to type 'HeadLoss'/,
  ],
  [
    "a loss without shares by image",
    "export const loss: HeadLoss = { terms: {} };",
    /Property 'perImage' is missing in type '{ terms: {}; }' but required in type 'HeadLoss'/,
  ],
  ["a whole router", router(ROUTER_FORWARD, ROUTER_MADDS), undefined],
  [
    "a router without cost",
    router(ROUTER_FORWARD),
    /Property 'madds' is missing in type 'Own' but required in type 'Router'/,
  ],
  [
    "a router without gates",
    router(ROUTER_MADDS),
    /Property 'forward' is missing in type 'Own' but required in type 'Router'/,
  ],
  [
    "a router with gates of one image",
    router("forward(features: Tensor4D): Tensor1D { throw new Error(features.shape.join()); }", ROUTER_MADDS),
    /Property 'forward' .*(\n.*)*'Tensor1D' is not assignable to type 'Tensor2D'/,
  ],
  ["a mapping", mapping("(images) => images.map(({ truth }) => truth.labels.length / 10)"), undefined],
  [
    "a mapping that looks at the loss",
    mapping(
      "Object.assign((images: readonly BudgetSample[]) => images.map((s) => s.detectionLoss ?? 0), { usesLoss: true })",
    ),
    undefined,
  ],
  [
    "a mapping to one number",
    mapping("(images) => images.length"),
    /Type 'number' is not assignable to type 'ArrayLike<number>'/,
  ],
  [
    "a mapping that looks at what samples do not have",
    mapping("(images) => images.map((sample) => sample.edges)"),
    /Property 'edges' does not exist on type 'BudgetSample'/,
  ],
  [
    "a mapping whose state cannot be taken back",
    mapping("Object.assign((images: readonly BudgetSample[]) => images.map(() => 1), { restore: 1 })"),
    /'restore'(.*\n)*.*Type 'number' is not assignable to type '\(state: unknown\) => void'/,
  ],
];

// Compiles all snippets at once, under the options of the repository; the messages of each.
function compile(sources: readonly string[]): string[] {
  const config = ts.readConfigFile(`${folder}../../tsconfig.base.json`, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, folder);
  const files = new Map(sources.map((source, i) => [`${folder}test/snippet-${i}.ts`, IMPORTS + source]));
  const host = ts.createCompilerHost({ ...options, noEmit: true });
  const { readFile, fileExists, getSourceFile } = host;
  host.readFile = (name) => files.get(name) ?? readFile.call(host, name);
  host.fileExists = (name) => files.has(name) || fileExists.call(host, name);
  host.getSourceFile = (name, languageVersion, ...rest) => {
    const source = files.get(name);
    return source === undefined
      ? getSourceFile.call(host, name, languageVersion, ...rest)
      : ts.createSourceFile(name, source, languageVersion);
  };
  const program = ts.createProgram([...files.keys()], { ...options, noEmit: true, types: [] }, host);
  return [...files.keys()].map((name) => {
    const file = program.getSourceFile(name);
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"))
      .join("\n");
  });
}

describe("the contracts' messages", () => {
  let messages: string[] = [];
  beforeAll(() => {
    messages = compile(SNIPPETS.map(([, source]) => source));
  });

  it.each(SNIPPETS.map(([name, , message], i) => [name, message, i] as const))("%s", (_, message, i) => {
    if (message) expect(messages[i]).toMatch(message);
    else expect(messages[i]).toBe("");
  });
});

class CompleteHead extends Module implements DetectionHead<readonly Tensor4D[]> {
  readonly numClasses = 3;
  forward({ maps }: FeaturePyramid): readonly Tensor4D[] {
    return maps;
  }
  loss(): HeadLoss {
    throw new Error("not called");
  }
  async decode(): Promise<Detections[]> {
    return [];
  }
  disposeRaw(): void {}
}

class Gates extends Module implements Router {
  forward(): Tensor2D {
    throw new Error("not called");
  }
  madds(height: number, width: number): number {
    return height * width;
  }
}

describe("the contracts' types", () => {
  it("take a head of one's own, with its own raw output", () => {
    expectTypeOf<CompleteHead>().toExtend<DetectionHead<readonly Tensor4D[]>>();
    expectTypeOf<DetectionHead["decode"]>().returns.resolves.toEqualTypeOf<Detections[]>();
    expectTypeOf<DetectionHead["decode"]>().parameter(1).toEqualTypeOf<readonly ImageSize[]>();
    expectTypeOf<Omit<CompleteHead, "decode">>().not.toExtend<DetectionHead>();
    // @ts-expect-error: raw output of another kind
    const wrong: DetectionHead<string> = new CompleteHead();
    expect(wrong.numClasses).toBe(3);
  });

  it("take a router of one's own", () => {
    expectTypeOf<Gates>().toExtend<Router>();
    expectTypeOf<Omit<Gates, "madds">>().not.toExtend<Router>();
    // @ts-expect-error: no method forward
    const wrong: Pick<Router, "forward"> = { madds: () => 1 };
    expect(wrong).toHaveProperty("madds");
  });

  it("take any function from samples to fractions as a mapping", () => {
    expectTypeOf((images: readonly BudgetSample[]) => new Float32Array(images.length)).toExtend<BudgetMapping>();
    expectTypeOf<() => number>().not.toExtend<BudgetMapping>();
    // @ts-expect-error: no fractions, but text
    const wrong: BudgetMapping = () => ["a tenth"];
    expect(wrong([])).toEqual(["a tenth"]);
  });
});
