// Training steps: forward, backward and SGD of the supernet, as bench/train.ts times them beside PyTorch, but with weights drawn here. A
// step ends when its loss is read. A row a setting; one that does not fit, or whose loss is not finite, is a row with its error.
import { createRandom, variableGrads } from "@caddet/core";
import { createSupernet, PRESETS, type PresetName } from "@caddet/supernet";
import { createSgd } from "@caddet/trainer";
import * as tf from "@tensorflow/tfjs-core";
import { memory, prepare, QUICK, rounded, say, summary } from "./setting";

interface Job {
  readonly preset: PresetName;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
}

const FULL: readonly Job[] = [
  { preset: "small", batch: 2, height: 256, width: 256 },
  { preset: "paper", batch: 1, height: 512, width: 640 },
  { preset: "small", batch: 16, height: 256, width: 256 },
  { preset: "paper", batch: 8, height: 512, width: 640 },
];
const JOBS = QUICK ? FULL.slice(0, 2).map((job) => ({ ...job, height: 64, width: 64 })) : FULL;
// Kernels are compiled in the first.
const [WARM_UP, STEPS] = QUICK ? [1, 1] : [3, 20];
const RATE = 1e-3;

async function train({ preset, batch, height, width }: Job): Promise<object> {
  const random = createRandom(0);
  const net = createSupernet({ ...PRESETS[preset], random });
  const parameters = net.namedParameters();
  const variables = [...parameters.values()].map(({ variable }) => variable);
  const sgd = createSgd(parameters, { weightDecay: 1e-4, clipNorm: null });
  const shape: [number, number, number, number] = [batch, height, width, 3];
  const pixels = Float32Array.from({ length: batch * height * width * 3 }, () => 2 * random.next() - 1);
  const images = tf.tensor4d(pixels, shape);
  const unclipped = tf.scalar(1);
  const loss = () => {
    const { features, gates } = net.forward(images, { training: true });
    const squares = features.maps.map((map) => tf.mean(tf.square(map)));
    return tf.addN([...squares, tf.mean(gates.values)]) as tf.Scalar;
  };
  const step = async () => {
    const { value, grads } = variableGrads(loss, variables);
    sgd.step(grads, unclipped, RATE);
    tf.dispose(grads);
    const [read] = await value.data();
    value.dispose();
    return read!;
  };
  try {
    const times: number[] = [];
    const losses: number[] = [];
    const before = tf.memory().numTensors;
    for (let n = 0; n < WARM_UP + STEPS; n++) {
      const start = performance.now();
      losses.push(await step());
      times.push(performance.now() - start);
    }
    if (!losses.every(Number.isFinite)) throw new Error(`the losses are ${losses.map(rounded)}`);
    if (tf.memory().numTensors !== before) throw new Error(`${tf.memory().numTensors - before} tensors stay`);
    const counted = times.slice(WARM_UP);
    const seconds = counted.reduce((sum, ms) => sum + ms, 0) / 1000;
    const rates = { steps_per_s: rounded(STEPS / seconds), images_per_s: rounded((STEPS * batch) / seconds) };
    const ends = { first_loss: rounded(losses[0]!), last_loss: rounded(losses.at(-1)!) };
    return { ...rates, ...summary(counted), first_step_ms: rounded(times[0]!), ...ends, ...memory() };
  } finally {
    for (const one of [sgd, net, images, unclipped]) one.dispose();
  }
}

const { device, software } = await prepare();
for (const job of JOBS) {
  const { preset, batch, height, width } = job;
  const setting = { preset, input: `${batch}x${height}x${width}`, device, software };
  try {
    say({ ...setting, ...(await train(job)) });
  } catch (error) {
    say({ ...setting, error: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
  }
}
