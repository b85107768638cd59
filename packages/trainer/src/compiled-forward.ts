// The detector's forward pass in training as a graph, where the backend can make one. Losses stay outside: they depend on what the images
// show.
import { type Compiled, compiled, type GraphRecorder } from "@caddet/core";
import type { Detector, DetectorOutput } from "@caddet/detector";
import type * as tf from "@tensorflow/tfjs-core";
import { leavesOf, replaceLeaves } from "./raw-maps";

/** A forward pass that becomes a graph. */
export interface CompiledForward {
  /** As `detector.forward` in training. */
  forward(images: tf.Tensor4D): DetectorOutput<unknown>;
  /** What there is of it. */
  readonly compiled: Pick<Compiled, "graphs" | "refusal">;
  /** Frees the graphs; the detector stays the caller's. */
  dispose(): void;
}

/**
 * Makes a detector's forward pass a graph. Gates that are drawn at random, and batch normalisation over several processes, keep it from
 * becoming one; it then runs as it is.
 *
 * @param detector the network; its batch normalisations must not be frozen or let go afterwards
 * @param recorder what makes graphs
 * @param checkpoint as in `detector.forward`
 * @returns the pass; dispose it when done
 * @example const { forward } = compiledForward(detector, graphRecorder()!, false);
 */
export function compiledForward(detector: Detector, recorder: GraphRecorder, checkpoint: boolean): CompiledForward {
  // By the shape of the images, a first output: the form of the raw maps, whose tensors are gone, and which paths the gates are of.
  const forms = new Map<string, DetectorOutput<unknown>>();
  const part = compiled({
    parameters: [...detector.namedParameters().values()].map(({ variable }) => variable),
    buffers: [...detector.namedBuffers().values()],
    recorder,
    run: ([images]) => {
      const output = detector.forward(images as tf.Tensor4D, { training: true, checkpoint });
      forms.set(`${images!.shape}`, output);
      const { raw, gates } = output;
      return gates ? [...leavesOf(raw), gates.values] : leavesOf(raw);
    },
  });
  return {
    forward: (images) => {
      const tensors = part.apply([images]);
      const { raw, gates } = forms.get(`${images.shape}`)!;
      const maps = { raw: replaceLeaves(raw, tensors) };
      return gates ? { ...maps, gates: { ...gates, values: tensors.at(-1) as tf.Tensor2D } } : maps;
    },
    compiled: part,
    dispose: () => part.dispose(),
  };
}
