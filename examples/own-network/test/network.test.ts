// The dynamic classifier: running what is open gives what running all of it gives, and costs what the cost table says.
import { createRandom } from "@caddet/router";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, it } from "vitest";
import { prepare } from "../src/backend";
import { drawDigits } from "../src/digits";
import { COST, createNetwork, NODE_OF_PATH, THRESHOLD } from "../src/network";
import { toImages } from "../src/run";

const DIGITS = drawDigits(24, createRandom(5));

// A network whose routers are undecided: some gates are closed, some open, differently for each image.
function undecided() {
  const network = createNetwork(createRandom(7));
  const random = createRandom(8);
  for (const variable of network.variables()) {
    if (variable.shape.join() !== "2") continue; // the routers' last bias
    tf.tidy(() => variable.assign(tf.tensor1d([0.3 * random.normal(), 0.3 * random.normal()])));
  }
  return network;
}

beforeAll(prepare);

it("agrees in both executors, and counts the MAdds that ran", async () => {
  const network = undecided();
  const images = toImages(DIGITS);
  const { logits, gates } = network.forward(images);
  const routed = await network.forwardRouted(images);
  const [dense, soft] = [await logits.data(), await gates.data()];
  const closed = soft.filter((g) => g < THRESHOLD).length / soft.length;
  expect(closed).toBeGreaterThan(0.1);
  expect(closed).toBeLessThan(0.9);
  for (const [i, v] of dense.entries()) expect(Math.abs(v - routed.logits[i]!)).toBeLessThan(1e-4 * (1 + Math.abs(v)));
  const byHand = DIGITS.map((_, image) => {
    const own = soft.subarray(image * 8, (image + 1) * 8);
    const blocks = [0, 1, 2, 3].filter((n) => own[2 * n]! >= THRESHOLD || own[2 * n + 1]! >= THRESHOLD).length;
    const narrow = own.filter((g, k) => k % 2 === 0 && g >= THRESHOLD).length;
    const wide = own.filter((g, k) => k % 2 === 1 && g >= THRESHOLD).length;
    return blocks * 48 * 16 + narrow * 16 * 48 + wide * (16 * 96 + 96 * 48);
  });
  expect([...routed.madds]).toEqual(byHand);
  expect(new Set(routed.madds).size).toBeGreaterThan(3);
  network.dispose();
});

it("costs everything with open ways, nothing with closed ones", async () => {
  const network = createNetwork(createRandom(7));
  const { gates } = network.forward(toImages(DIGITS), { open: true });
  const open = await gates.data();
  expect(open.every((g) => g === 1)).toBe(true);
  expect(network.costs.executedCost(open)[0]).toBe(network.costs.total);
  expect(network.costs.total).toBe([...COST.node, ...COST.path].reduce((a, b) => a + b));
  for (const variable of network.variables()) {
    if (variable.shape.join() === "2") tf.tidy(() => variable.assign(tf.tensor1d([-9, -9])));
  }
  const closed = await network.forwardRouted(toImages(DIGITS));
  expect(Math.max(...closed.madds, ...closed.gates)).toBe(0);
  expect(closed.gates).toHaveLength(DIGITS.length * NODE_OF_PATH.length);
  network.dispose();
});

it("leaves no tensor behind", async () => {
  const images = toImages(DIGITS);
  const before = tf.memory().numTensors;
  const network = undecided();
  const { logits, gates } = network.forward(images);
  await network.forwardRouted(images);
  tf.dispose([logits, gates]);
  network.dispose();
  expect(tf.memory().numTensors).toBe(before);
  images.dispose();
});
