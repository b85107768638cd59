// A part as a graph gives what the part itself gives, values, gradients and running moments, and nothing of it is left behind. Where it
// cannot become a graph, it says why and stays as it is.
import { graphRecorder } from "@caddet/runtime/node";
import * as tf from "@tensorflow/tfjs-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { backends, useBackend } from "#test/backends";
import {
  BatchNorm,
  type CompiledOptions,
  Conv,
  checkpointed,
  compiled,
  createRandom,
  DepthwiseConv,
  GroupNorm,
  Module,
  variableGrads,
} from "../src";

const isHere = backends.includes("tfjs-node");

/** Depthwise and 1 × 1 convolution, batch and group normalisation: a map, and means of it that a loss may leave out. */
class Layer extends Module {
  readonly depthwise = this.child("depthwise", new DepthwiseConv({ channels: 4, random: createRandom(1) }));
  readonly pointwise = this.child("pointwise", new Conv({ inChannels: 4, outChannels: 4, random: createRandom(2) }));
  readonly norm = this.child("norm", new BatchNorm(4));
  readonly group = this.child("group", new GroupNorm(4, 2));

  apply(x: tf.Tensor4D): [tf.Tensor4D, tf.Tensor2D] {
    const y = this.norm.apply(this.pointwise.apply(this.depthwise.apply(x)), {
      training: true,
      activation: "relu",
      residual: x,
    });
    return [this.group.apply(y), tf.mean(y, [1, 2])];
  }
}

interface Counts {
  getNumOfTensors(): number;
  getNumOfSavedModels(): number;
}
const counts = () => (tf.backend() as unknown as { binding: Counts }).binding;

const variablesOf = (module: Module) => [...module.namedParameters().values()].map(({ variable }) => variable);

const imagesOf = (shape: [number, number, number, number], seed: number) => {
  const random = createRandom(seed);
  return tf.tensor4d(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
    shape,
  );
};

describe.skipIf(!isHere)(isHere ? "compiled on tfjs-node" : "compiled on tfjs-node, which is not here", () => {
  beforeAll(() => useBackend("tfjs-node"));

  type Run = CompiledOptions["run"];
  const plainRun =
    (layer: Layer): Run =>
    ([x]) =>
      layer.apply(x as tf.Tensor4D);

  const partOf = (layer: Layer, run: Run, options: { readonly most?: number } = {}) =>
    compiled({
      run,
      parameters: variablesOf(layer),
      buffers: [...layer.namedBuffers().values()],
      recorder: graphRecorder()!,
      ...options,
    });

  /** Value, gradients and moments of one step; `both` is whether the second output is part of the loss. */
  function step(layer: Layer, apply: Run, shape: [number, number, number, number], seed: number, both = true) {
    const images = imagesOf(shape, seed);
    const { value, grads } = variableGrads(() => {
      const [map, means] = apply([images]) as [tf.Tensor4D, tf.Tensor2D];
      const weights = tf.range(1, map.size + 1).reshapeAs(map);
      const loss = tf.mean(tf.mul(map, tf.sin(weights)));
      return (both ? tf.add(loss, tf.sum(tf.square(means))) : loss) as tf.Scalar;
    }, variablesOf(layer));
    const numbers = [value, ...variablesOf(layer).map(({ name }) => grads[name]), ...layer.namedBuffers().values()].map(
      (t) => (t ? Array.from(t.dataSync()) : []),
    );
    tf.dispose([value, grads, images] as tf.TensorContainer);
    return numbers;
  }

  function expectSame(got: number[][], wanted: number[][]): void {
    for (const [i, values] of wanted.entries()) {
      // A loss that leaves an output out has no gradient by hand, and one of zeros here.
      if (values.length === 0) expect(Math.max(...got[i]!.map(Math.abs))).toBe(0);
      else for (const [k, v] of values.entries()) expect(got[i]![k]).toBeCloseTo(v, 4);
    }
  }

  function withLayers(test: (layer: Layer, twin: Layer) => void): void {
    const [layer, twin] = [new Layer(), new Layer()];
    try {
      test(layer, twin);
    } finally {
      layer.dispose();
      twin.dispose();
    }
  }

  const SHAPE: [number, number, number, number] = [2, 6, 7, 4];
  const LARGE: [number, number, number, number] = [1, 140, 130, 4];

  it.each([SHAPE, LARGE])("is the part itself from the third pass on, %i × %i × %i × %i", (...shape) => {
    withLayers((layer, twin) => {
      const part = partOf(layer, plainRun(layer));
      for (let seed = 0; seed < 5; seed++) {
        // Once the loss leaves out what it had.
        const both = seed !== 3;
        expectSame(step(layer, part.apply, shape, seed, both), step(twin, plainRun(twin), shape, seed, both));
        expect(part.graphs).toBe(seed === 0 ? 0 : 1);
      }
      expect(part.refusal).toBeUndefined();
      part.dispose();
    });
  });

  it("takes a part that computes itself again", () => {
    withLayers((layer, twin) => {
      const again = ([x]: readonly tf.Tensor[]) =>
        checkpointed(([inner]) => layer.apply(inner as tf.Tensor4D), [x!], variablesOf(layer));
      const part = partOf(layer, again);
      for (let seed = 0; seed < 4; seed++) {
        expectSame(step(layer, part.apply, SHAPE, seed), step(twin, plainRun(twin), SHAPE, seed));
      }
      expect(part.graphs).toBe(1);
      part.dispose();
    });
  });

  it("leaves nothing behind, neither tensors nor sessions", () => {
    withLayers((layer) => {
      const part = partOf(layer, plainRun(layer));
      for (let seed = 0; seed < 3; seed++) step(layer, part.apply, SHAPE, seed);
      const before = [tf.memory().numTensors, counts().getNumOfTensors()];
      for (let seed = 3; seed < 6; seed++) step(layer, part.apply, SHAPE, seed);
      // A forward pass whose tape nobody walks back.
      const images = imagesOf(SHAPE, 0);
      const broken = () =>
        variableGrads(() => {
          part.apply([images]);
          throw new Error("broken");
        }, variablesOf(layer));
      expect(broken).toThrow("broken");
      images.dispose();
      expect([tf.memory().numTensors, counts().getNumOfTensors()]).toEqual(before);
      expect(counts().getNumOfSavedModels()).toBe(1);
      part.dispose();
      expect(counts().getNumOfSavedModels()).toBe(0);
    });
  });

  it("keeps a graph for each shape, as many as it may", () => {
    withLayers((layer, twin) => {
      const part = partOf(layer, plainRun(layer), { most: 1 });
      const other: [number, number, number, number] = [1, 5, 5, 4];
      for (const shape of [SHAPE, SHAPE, SHAPE, other, other, other, SHAPE]) {
        expectSame(step(layer, part.apply, shape, 7), step(twin, plainRun(twin), shape, 7));
      }
      expect(part.graphs).toBe(1);
      part.dispose();
    });
  });

  it("runs the part as it is without a tape", () => {
    withLayers((layer) => {
      let runs = 0;
      const part = partOf(layer, (inputs) => {
        runs++;
        return layer.apply(inputs[0] as tf.Tensor4D);
      });
      for (let seed = 0; seed < 3; seed++) step(layer, part.apply, SHAPE, seed);
      expect(runs).toBe(2);
      const images = imagesOf(SHAPE, 0);
      tf.dispose(part.apply([images]));
      images.dispose();
      expect(runs).toBe(3);
      part.dispose();
    });
  });

  it.each([
    {
      what: "draws random numbers",
      refusal: "its operations or constants were not the same twice",
      change: (x: tf.Tensor) => tf.mul(x, tf.scalar(1 + Math.random() / 1e6)),
    },
    {
      what: "reads values",
      refusal: "it reads a tensor's values",
      change: (x: tf.Tensor) => tf.mul(x, tf.mean(x).dataSync()[0]! > 1e9 ? 2 : 1),
    },
  ])("says why where it $what, and stays right", ({ refusal, change }) => {
    withLayers((layer, twin) => {
      const part = partOf(layer, ([x]) => layer.apply(change(x!) as tf.Tensor4D));
      for (let seed = 0; seed < 4; seed++) {
        const [got, wanted] = [step(layer, part.apply, SHAPE, seed), step(twin, plainRun(twin), SHAPE, seed)];
        expect(got[0]![0]).toBeCloseTo(wanted[0]![0]!, 3);
      }
      expect(part.refusal).toBe(refusal);
      expect(part.graphs).toBe(0);
      part.dispose();
    });
  });

  it("names a variable that it was not told of", () => {
    withLayers((layer) => {
      const stranger = tf.variable(tf.scalar(2), true, "stranger");
      const part = partOf(layer, ([x]) => layer.apply(tf.mul(x!, stranger) as tf.Tensor4D));
      expect(() => step(layer, part.apply, SHAPE, 0)).toThrow("the variable stranger, which is not among those given");
      part.dispose();
      stranger.dispose();
    });
  });

  afterAll(() => {
    expect(counts().getNumOfSavedModels()).toBe(0);
  });
});
