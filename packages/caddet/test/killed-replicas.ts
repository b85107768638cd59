// A training by two threads in a process of its own, for killed-replicas.test.ts, which kills it. Arguments: the thread's file, and the order
// as JSON.
import { trainReplicas } from "../src/replicated-training";
import type { TrainingOrder } from "../src/training-rank";

const [worker, order] = process.argv.slice(2) as [string, string];
const stop = new AbortController().signal;
await trainReplicas(JSON.parse(order) as TrainingOrder, {
  replicas: 2,
  stop,
  progress: process.stderr,
  worker: new URL(worker),
});
