// Names of PyTorch MobileNets: every array finds its place, what is unknown stays, what is broken is refused.
import { CheckpointError, createRandom, type Module, type StoredArray } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { onBackend } from "#test/backends";
import { createMobileNetV1, createMobileNetV2, mobileNetV1FromTorch, mobileNetV2FromTorch } from "../src";
import { goldenCase, goldenState } from "./golden";

const trunkNames = (module: Module) => [...module.stateDict().keys()].filter((name) => name.startsWith("trunk."));
const counter: StoredArray = { dtype: "I64", shape: [], data: BigInt64Array.of(7n) };

// The same arrays under the names of one sequence of layers.
function asSequence(timm: ReadonlyMap<string, StoredArray>, prefix: string): Map<string, StoredArray> {
  const starts = [1, 2, 4, 6, 12];
  const place = (name: string) => {
    const stem = /^(conv_stem|bn1)\.(\w+)$/.exec(name);
    if (stem) return `0.${stem[1] === "bn1" ? 1 : 0}.${stem[2]}`;
    const [, stage, block, layer, part] = /^blocks\.(\d)\.(\d)\.(\w+)\.(\w+)$/.exec(name)!;
    const at = { conv_dw: 0, bn1: 1, conv_pw: 3, bn2: 4 }[layer!];
    return `${starts[Number(stage)]! + Number(block)}.${at}.${part}`;
  };
  const convolutions = [...timm].filter(([name]) => !name.startsWith("classifier"));
  return new Map(convolutions.map(([name, array]) => [`${prefix}.${place(name)}`, array]));
}

describe.each([
  ["MobileNetV1", "mobilenet-v1", createMobileNetV1, mobileNetV1FromTorch],
  ["MobileNetV2", "mobilenet-v2", createMobileNetV2, mobileNetV2FromTorch],
] as const)("%s", (_, fixture, create, fromTorch) => {
  const state = goldenState(goldenCase(fixture));

  it("fills the whole trunk and nothing else; the classifier stays", () =>
    onBackend("cpu", async () => {
      const backbone = create({ width: 0.1, neck: { depth: 8 }, random: createRandom(0) });
      const mapped = fromTorch(new Map([...state, ["features.0.1.num_batches_tracked", counter]]));
      const { loaded, missing, unexpected } = backbone.loadStateDict(mapped, { strict: false });
      expect(new Set(loaded)).toEqual(new Set(trunkNames(backbone)));
      expect(missing.every((name) => name.startsWith("neck."))).toBe(true);
      expect(unexpected).toEqual([...state.keys()].filter((name) => name.startsWith("classifier")));
      expect(unexpected).toHaveLength(2);
      backbone.dispose();
    }));

  it("tells of a last layer that the short tail has no place for", () =>
    onBackend("cpu", async () => {
      const backbone = create({ width: 0.1, tail: "short", neck: { depth: 8 }, random: createRandom(0) });
      expect(() => backbone.loadStateDict(fromTorch(state), { strict: false })).toThrow(
        /has shape .* this model needs/,
      );
      backbone.dispose();
    }));

  it("refuses an array of another rank than its name says", () => {
    const [name, array] = [...state].find(([, { shape }]) => shape.length === 4)!;
    const flat = new Map([[name, { ...array, shape: [array.data.length] }]]);
    expect(() => fromTorch(flat)).toThrow(CheckpointError);
    expect(() => fromTorch(flat)).toThrow(`"${name}" should be a float32 array of rank 4`);
  });

  it("keeps names that it does not know", () => {
    const odd = new Map([["backbone.thing", counter]]);
    expect(fromTorch(odd)).toEqual(odd);
  });
});

describe("mobileNetV1FromTorch", () => {
  it.each(["model", "features", "module.model"])("knows one sequence named %s as well", (prefix) => {
    const timm = goldenState(goldenCase("mobilenet-v1"));
    const wanted = mobileNetV1FromTorch(new Map([...timm].filter(([name]) => !name.startsWith("classifier"))));
    expect(mobileNetV1FromTorch(asSequence(timm, prefix))).toEqual(wanted);
  });
});
