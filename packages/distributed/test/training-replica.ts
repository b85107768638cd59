// A replica that trains the small network with its share of each batch, on a wasm backend of its own. Bundled and started by the tests.
import { prepareBackend } from "@caddet/runtime/node";
import { replica } from "../src/node";
import { type Norms, type Trained, trainSmall } from "./small-training";

/** What `runReplicas` hands to this file. */
export type TrainingData = Norms;

await replica<TrainingData, Trained>(async ({ collective, data }) => {
  await prepareBackend({ backend: "wasm" });
  return trainSmall(collective, data);
});
