// A checkpointed part has the gradients of the part itself, to the bit; it keeps its inputs only, whatever happens.
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { valuesOf } from "#test/backends";
import { BatchNorm, checkpointed, createRandom, isRecomputing, Linear, Module, variableGrads } from "../src";
import { backends, onBackend } from "./backends";
import { mixed } from "./check-gradients";

type Part = typeof checkpointed;

const plain: Part = (run, inputs) => [...run(inputs)];

/** Linear map of the channels (not every backend here has a convolution's gradient), batch normalisation, ReLU. */
class Layer extends Module {
  readonly linear = this.child("linear", new Linear({ inFeatures: 3, outFeatures: 3, random: createRandom(1) }));
  readonly norm = this.child("norm", new BatchNorm(3));

  apply(x: tf.Tensor4D): tf.Tensor4D {
    const mapped = tf.reshape(this.linear.apply(tf.reshape(x, [-1, 3])), x.shape) as tf.Tensor4D;
    return this.norm.apply(mapped, { training: true, activation: "relu" });
  }
}

const variablesOf = (module: Module) => [...module.namedParameters().values()].map(({ variable }) => variable);

/** Value and gradients of a loss by some variables, as numbers; undefined where there is none. */
async function numbersOf(loss: () => tf.Tensor, variables: tf.Variable[], grads: typeof variableGrads = variableGrads) {
  const found = grads(() => tf.sum(loss()) as tf.Scalar, variables);
  const numbers = await Promise.all(
    [found.value, ...variables.map(({ name }) => found.grads[name])].map((t) => t?.data()),
  );
  tf.dispose([found.value, ...Object.values(found.grads)]);
  return numbers;
}

describe.each(backends)("checkpointed on %s", (backend) => {
  const withVariables = (
    shapes: readonly number[][],
    test: (variables: tf.Variable[], layer: Layer) => void | Promise<void>,
  ) =>
    onBackend(backend, async () => {
      const layer = new Layer();
      const variables = shapes.map((shape, i) => tf.tidy(() => tf.variable(mixed(shape, i))));
      await test(variables, layer);
      tf.dispose(variables);
      layer.dispose();
    });

  it("has the gradients of layers with weights, one behind the other, and moves moments once", () =>
    withVariables([[2, 5, 4, 3]], async ([x], layer) => {
      const other = new Layer();
      const variables = [x!, ...variablesOf(layer), ...variablesOf(other)];
      const loss = (part: Part) => () =>
        tf.tidy(() => {
          const [y] = part(([a]) => [layer.apply(a as tf.Tensor4D)], [x as tf.Tensor], variablesOf(layer));
          const run = ([a]: readonly tf.Tensor[]) => [other.apply(layer.apply(a as tf.Tensor4D))]; // layer's weights again
          const [z] = part(run, [tf.sin(y!)], [...variablesOf(layer), ...variablesOf(other)]);
          return tf.add(tf.mul(z!, y!), tf.square(x!));
        });
      const moments = () => valuesOf(() => [layer, other].flatMap((m) => [...m.namedBuffers().values()]));
      const start = [layer, other].flatMap((m) => [...m.namedBuffers().values()].map((v) => ({ v, value: v.clone() })));
      const wanted = await numbersOf(loss(plain), variables);
      const moved = await moments();
      for (const { v, value } of start) v.assign(value);
      expect(await numbersOf(loss(checkpointed), variables)).toEqual(wanted);
      expect(await moments()).toEqual(moved);
      tf.dispose(start.map(({ value }) => value));
      other.dispose();
    }));

  it("takes several inputs and gives several outputs, some of them inputs, the same one twice, or not used", () =>
    withVariables([[4], [4], [1]], async ([a, b, scale]) => {
      const loss = (part: Part) => () => {
        const run = ([p, q]: readonly tf.Tensor[]) => {
          const product = tf.mul(tf.mul(p!, q!), scale!);
          return [p!, product, product, tf.exp(p!), scale!];
        };
        const [same, one, two, , s] = part(run, [a!, b!], [scale!]);
        return tf.add(tf.mul(tf.mul(same!, one!), tf.sin(two!)), s!);
      };
      const variables = [a!, b!, scale!];
      expect(await numbersOf(loss(checkpointed), variables)).toEqual(await numbersOf(loss(plain), variables));
    }));

  it("works in another part, and under tf.variableGrads and an optimiser", () =>
    withVariables([[6]], async ([v]) => {
      const inner = (part: Part, x: tf.Tensor) => part(([a]) => [tf.square(tf.sin(a!))], [x], [])[0]!;
      const loss = (part: Part) => () => part(([a]) => [tf.exp(inner(part, tf.exp(a!)))], [v as tf.Tensor], [])[0]!;
      const wanted = await numbersOf(loss(plain), [v!]);
      expect(await numbersOf(loss(checkpointed), [v!])).toEqual(wanted);
      expect(await numbersOf(loss(checkpointed), [v!], tf.variableGrads)).toEqual(wanted);
      const before = (await v!.data<"float32">()).slice();
      const sgd = tf.train.sgd(0.5);
      sgd.minimize(() => tf.sum(loss(checkpointed)()) as tf.Scalar, false, [v!]);
      expect(await v!.data()).toEqual(before.map((x, i) => Math.fround(x + Math.fround(-0.5 * wanted[1]![i]!))));
      sgd.dispose();
    }));

  it("keeps inputs alone, and says when it runs again", () =>
    withVariables([[6]], async ([v]) => {
      const seen: boolean[] = [];
      const kept: number[] = [];
      const loss = () => {
        const before = tf.memory().numTensors;
        const run = ([a]: readonly tf.Tensor[]) => {
          seen.push(isRecomputing());
          return [Array.from({ length: 20 }).reduce((x: tf.Tensor) => tf.sin(x), a!)];
        };
        const [y] = checkpointed(run, [v as tf.Tensor], []);
        kept.push(tf.memory().numTensors - before);
        return y!;
      };
      await numbersOf(loss, [v!]);
      expect(kept).toEqual([2]); // the output, and the input for the second run
      expect([...seen, isRecomputing()]).toEqual([false, true, false]);
      const [alone] = await valuesOf(() => [loss()]);
      expect(alone).toHaveLength(6);
      expect(seen).toHaveLength(3); // no tape, no second run
    }));

  it("gives zeros by what the part does not use", () =>
    withVariables([[2], [2]], async ([used, idle]) => {
      const loss = () => checkpointed(([a]) => [tf.square(a!)], [used as tf.Tensor], [idle!])[0]!;
      expect((await numbersOf(loss, [used!, idle!]))[2]).toEqual(new Float32Array(2));
    }));

  it.each([
    ["the first run", 1],
    ["the second run", 2],
  ])("leaves nothing behind where %s throws, and works again", (_, at) =>
    withVariables([[3]], async ([v]) => {
      let runs = 0;
      const loss = () => {
        const run = ([a]: readonly tf.Tensor[]) => {
          const y = tf.exp(tf.square(a!));
          if (++runs === at) throw new Error("out of memory");
          return [y];
        };
        return checkpointed(run, [tf.sin(v!)], [])[0]!;
      };
      const before = tf.memory().numTensors;
      await expect(numbersOf(loss, [v!])).rejects.toThrow("out of memory");
      expect([tf.memory().numTensors, isRecomputing()]).toEqual([before, false]);
      expect(await numbersOf(loss, [v!])).toHaveLength(2);
    }),
  );

  it("leaves nothing behind where the loss throws behind it", () =>
    withVariables([[3]], async ([v]) => {
      const loss = () => {
        checkpointed(([a]) => [tf.square(a!)], [tf.sin(v!)], []);
        throw new Error("no label");
      };
      await expect(numbersOf(loss, [v!])).rejects.toThrow("no label");
    }));
});

it("refuses gradients of gradients", async () => {
  await tf.setBackend("cpu");
  const square = (x: tf.Tensor) => checkpointed(([a]) => [tf.square(a!)], [x], [])[0]!;
  const cube = (x: tf.Tensor) => tf.sum(tf.grad((y) => square(y))(x));
  expect(() => tf.tidy(() => tf.grad(cube)(tf.tensor1d([2])))).toThrow(/no gradients of gradients/);
});
