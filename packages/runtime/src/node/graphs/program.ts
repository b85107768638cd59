// A recording as a graph in a session of libtensorflow's: what took a launch an operation takes one in all, and operations that do not
// depend on each other run at once.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { NativeBackend } from "../../kernels/native/backend";
import type { Recording } from "./recording";
import { savedModel, TAG } from "./saved-model";

/** One way through a graph. */
export interface Plan {
  /** Ids of what has to be fed. */
  readonly feeds: readonly number[];
  /**
   * Runs it.
   *
   * @param tensors one for each of `feeds`
   * @returns one for each id that is fetched, the caller's
   */
  run(tensors: readonly tf.Tensor[]): tf.Tensor[];
}

/** A graph that is ready to run. */
export class Program {
  readonly #backend: NativeBackend;
  readonly #recording: Recording;
  #session: number | undefined;

  /** Loads the graph; the parts of it are compiled when they run first. */
  constructor(backend: NativeBackend, recording: Recording) {
    this.#backend = backend;
    this.#recording = recording;
    // The C API reads models from folders alone.
    const folder = mkdtempSync(join(tmpdir(), "caddet-graph-"));
    try {
      writeFileSync(join(folder, "saved_model.pb"), savedModel(recording.nodes()));
      this.#session = backend.binding.loadSavedModel(folder, TAG);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /**
   * What computes some tensors.
   *
   * @param fetched ids of the recording, of float32
   * @param part nothing of the parts before runs: what they made is to be fed
   * @returns the plan, good until the program is disposed
   */
  plan(fetched: readonly number[], part: number): Plan {
    const feeds = this.#recording.needs(fetched, part);
    const fed = new Map(feeds.map((id, i) => [id, i]));
    const computed = [...new Set(fetched.filter((id) => !fed.has(id)))];
    const namesOf = (ids: readonly number[]) => ids.map((id) => this.#recording.placeOf(id)).join();
    const [inputNames, outputNames] = [namesOf(feeds), namesOf(computed)];
    const first = new Map(computed.map((id, i) => [id, i]));
    const run = (tensors: readonly tf.Tensor[]) => {
      const made = computed.length > 0 ? this.#run(tensors, inputNames, outputNames) : [];
      const given = new Set<number>();
      return fetched.map((id) => {
        const own = first.get(id);
        if (own === undefined) return tf.clone(tensors[fed.get(id)!]!);
        if (given.has(own)) return tf.clone(made[own]!);
        given.add(own);
        return made[own]!;
      });
    };
    return { feeds, run };
  }

  /** Frees the session. */
  dispose(): void {
    if (this.#session !== undefined) this.#backend.binding.deleteSavedModel(this.#session);
    this.#session = undefined;
  }

  #run(tensors: readonly tf.Tensor[], inputNames: string, outputNames: string): tf.Tensor[] {
    const { binding, tensorMap } = this.#backend;
    const ids = this.#backend.getInputTensorIds(tensors);
    return binding.runSavedModel(this.#session!, ids, inputNames, outputNames).map(({ id, shape, dtype }) => {
      const dataId = {};
      tensorMap.set(dataId, { shape, dtype, id, values: null, refCount: 1 });
      return tf.engine().makeTensorFromTensorInfo({ dataId, shape, dtype: "float32" });
    });
  }
}
