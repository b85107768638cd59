import { CheckpointError, createRandom, type StoredArray } from "@caddet/core";
import { createFcosHead, createRetinaHead, fcosFromTorch, retinaFromTorch } from "@caddet/heads";
import { beforeAll, expect, it } from "vitest";
import { useBackend } from "#test/backends";

const array = (...shape: number[]): StoredArray => ({
  dtype: "F32",
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
});

beforeAll(() => useBackend("cpu"));

it("renames and turns weights, and passes over what is not the head's", () => {
  const state = fcosFromTorch(
    new Map([
      ["backbone.conv1.weight", array(1)],
      ["bbox_head.cls_convs.0.conv.weight", array(2, 3, 3, 3)],
      ["bbox_head.reg_convs.1.bn.running_var", array(2)],
      ["bbox_head.reg_convs.1.bn.num_batches_tracked", array()],
      ["bbox_head.conv_reg.bias", array(4)],
      ["bbox_head.scales.3.scale", array(1)],
    ]),
    { prefix: "bbox_head." },
  );
  expect([...state].map(([name, { shape }]) => [name, shape])).toEqual([
    ["classTower.0.conv.weight", [3, 3, 3, 2]],
    ["boxTower.1.norm.runningVariance", [2]],
    ["distances.bias", [4]],
    ["scales.3.value", []],
  ]);
  // [row, column, in, out] = [0, 0, 0, 1] is PyTorch's [out, in, row, column] = [1, 0, 0, 0].
  expect(state.get("classTower.0.conv.weight")!.data[1]).toBe(27);
});

it("names all weights of a head with batch norm", () => {
  const head = createFcosHead({
    inChannels: 2,
    numClasses: 3,
    channels: 2,
    stackedConvs: 1,
    strides: [8],
    norm: "batch",
    random: createRandom(0),
  });
  const tower = (name: string): [string, StoredArray][] => [
    [`${name}.0.conv.weight`, array(2, 2, 3, 3)],
    [`${name}.0.bn.weight`, array(2)],
    [`${name}.0.bn.bias`, array(2)],
    [`${name}.0.bn.running_mean`, array(2)],
    [`${name}.0.bn.running_var`, array(2)],
  ];
  const predictor = (name: string, out: number): [string, StoredArray][] => [
    [`${name}.weight`, array(out, 2, 3, 3)],
    [`${name}.bias`, array(out)],
  ];
  const state = new Map<string, StoredArray>([
    ...tower("cls_convs"),
    ...tower("reg_convs"),
    ...predictor("conv_cls", 3),
    ...predictor("conv_reg", 4),
    ...predictor("conv_centerness", 1),
    ["scales.0.scale", array()],
  ]);
  expect(head.loadStateDict(fcosFromTorch(state)).missing).toEqual([]);
  head.dispose();
});

it("names all weights of separable towers, and refuses a norm between their convolutions", () => {
  const head = createRetinaHead({
    inChannels: 2,
    numClasses: 3,
    channels: 4,
    stackedConvs: 1,
    strides: [8],
    norm: "group",
    groups: 2,
    tower: "separable",
    random: createRandom(0),
  });
  const tower = (name: string): [string, StoredArray][] => [
    [`${name}.0.depthwise_conv.conv.weight`, array(2, 1, 3, 3)],
    [`${name}.0.pointwise_conv.conv.weight`, array(4, 2, 1, 1)],
    [`${name}.0.pointwise_conv.gn.weight`, array(4)],
    [`${name}.0.pointwise_conv.gn.bias`, array(4)],
  ];
  const predictor = (name: string, out: number): [string, StoredArray][] => [
    [`${name}.weight`, array(out, 4, 3, 3)],
    [`${name}.bias`, array(out)],
  ];
  const state = new Map<string, StoredArray>([
    ...tower("cls_convs"),
    ...tower("reg_convs"),
    ...predictor("retina_cls", 27),
    ...predictor("retina_reg", 36),
  ]);
  const own = retinaFromTorch(state);
  expect(head.loadStateDict(own).missing).toEqual([]);
  // [row, column, channel, 1] = [0, 0, 1, 0] is PyTorch's [channel, 1, row, column] = [1, 0, 0, 0].
  expect(own.get("classTower.0.depthwise.weight")!.data[1]).toBe(9);
  const between = new Map([["cls_convs.0.depthwise_conv.bn.weight", array(2)]]);
  expect(() => retinaFromTorch(between)).toThrow(/neither norm nor bias between/);
  head.dispose();
});

it("names the weights of a RetinaNet head", () => {
  const state = retinaFromTorch(
    new Map([
      ["reg_convs.0.conv.bias", array(2)],
      ["retina_cls.weight", array(27, 2, 3, 3)],
      ["retina_reg.bias", array(36)],
    ]),
  );
  expect([...state].map(([name, { shape }]) => [name, shape])).toEqual([
    ["boxTower.0.conv.bias", [2]],
    ["classes.weight", [3, 3, 2, 27]],
    ["deltas.bias", [36]],
  ]);
});

it("refuses names that the head does not have", () => {
  expect(() => fcosFromTorch(new Map([["retina_cls.weight", array(2, 2, 3, 3)]]))).toThrow(CheckpointError);
  expect(() => retinaFromTorch(new Map([["conv_cls.weight", array(2, 2, 3, 3)]]))).toThrow(/prefix/);
  expect(() => fcosFromTorch(new Map([["conv_cls.weight", array(2, 2, 3)]]))).toThrow(CheckpointError);
});
