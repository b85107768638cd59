// Names and layouts of PyTorch weights; golden.test.ts shows that whole networks agree.
import { CheckpointError, createRandom, type StoredArray } from "@caddet/core";
import { prepareBackend } from "@caddet/runtime/node";
import { beforeAll, describe, expect, it } from "vitest";
import { createSupernet, PRESETS, supernetFromTorch } from "../src";

const array = (...shape: number[]): StoredArray => {
  const size = shape.reduce((a, b) => a * b, 1);
  return { dtype: "F32", shape, data: Float32Array.from({ length: size }, (_, i) => i) };
};

const mapped = (name: string, ...shape: number[]) => {
  const [[target, value]] = [...supernetFromTorch(new Map([[name, array(...shape)]]))] as [[string, StoredArray]];
  return [target, value.shape, Array.from(value.data as Float32Array).slice(0, 4)];
};

describe("supernetFromTorch", () => {
  it.each([
    ["stem.0.0.weight", [3, 1, 3, 3], "stem.0.depthwise.weight", [3, 3, 3, 1]],
    ["stem.4.1.weight", [8, 8, 1, 1], "stem.2.pointwise.weight", [1, 1, 8, 8]],
    ["nodes.3_1.block.0.2.weight", [16], "nodes.3_1.block.0.norm.weight", [16]],
    ["nodes.3_1.block.2.2.running_var", [16], "nodes.3_1.block.1.norm.runningVariance", [16]],
    ["nodes.3_1.block.2.2.running_mean", [16], "nodes.3_1.block.1.norm.runningMean", [16]],
    ["nodes.3_1.up.0.weight", [8, 16, 1, 1], "nodes.3_1.up.conv.weight", [1, 1, 16, 8]],
    ["nodes.12_3.down.1.bias", [32], "nodes.12_3.down.norm.bias", [32]],
    ["nodes.3_1.router.squeeze.weight", [8, 16, 1, 1], "nodes.3_1.router.squeeze.weight", [1, 1, 16, 8]],
    ["nodes.3_1.router.gate.weight", [3, 8], "nodes.3_1.router.gate.weight", [8, 3]],
    ["nodes.3_1.router.gate.bias", [3], "nodes.3_1.router.gate.bias", [3]],
    ["project.3.weight", [16, 64, 1, 1], "project.3.weight", [1, 1, 64, 16]],
    ["extra.weight", [16, 16, 3, 3], "extra.weight", [3, 3, 16, 16]],
    ["extra.bias", [16], "extra.bias", [16]],
  ])("maps %s", (name, shape, target, targetShape) => {
    const [gotName, gotShape] = mapped(name, ...shape);
    expect([gotName, gotShape]).toEqual([target, targetShape]);
  });

  it("moves the numbers with the axes", () => {
    // [out, in] rows 0 1 2, 3 4 5 become columns
    expect(mapped("nodes.0_0.router.gate.weight", 2, 3)[2]).toEqual([0, 3, 1, 4]);
    // OIHW: the first place of HWIO runs over the outputs, which lie in · kh · kw apart
    expect(mapped("extra.weight", 4, 2, 3, 3)[2]).toEqual([0, 18, 36, 54]);
  });

  it("leaves batch counters out, and names that it does not know as they are", () => {
    const out = supernetFromTorch(
      new Map([
        ["stem.0.2.num_batches_tracked", { dtype: "I64", shape: [], data: BigInt64Array.of(7n) }],
        ["head.weight", array(1, 2)],
        ["nodes.0_0.block.weight", array(2)],
      ]),
    );
    expect([...out.keys()]).toEqual(["head.weight", "nodes.0_0.block.weight"]);
    expect(out.get("head.weight")!.shape).toEqual([1, 2]);
  });

  it("refuses an array whose rank is another than its name says", () => {
    expect(() => mapped("project.0.weight", 16, 8)).toThrow(CheckpointError);
    expect(() => mapped("project.0.weight", 16, 8)).toThrow(/"project\.0\.weight" should be .* rank 4/);
  });
});

describe("loading into a supernet", () => {
  beforeAll(async () => {
    await prepareBackend({ backend: "cpu" });
  });

  it("reports a name that neither side knows", () => {
    const net = createSupernet({ ...PRESETS.tiny, random: createRandom(0) });
    const own = [...net.stateDict()].map(([name, v]) => [name, array(...v.shape)] as const);
    const wrong = supernetFromTorch(new Map([["neck.weight", array(1)]]));
    expect(() => net.loadStateDict(new Map([...own, ...wrong]))).toThrow(/1 are unknown \(neck\.weight\)/);
    net.dispose();
  });
});
