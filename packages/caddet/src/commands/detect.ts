// `caddet detect`: boxes in an image, in its own pixels, and what they cost.
import { createInferencer } from "@caddet/inferencer";
import { openImage } from "@caddet/inferencer/node";
import { type BackendName, prepareBackend } from "@caddet/runtime/node";
import { loadModel } from "../model-file";
import { columns, type Output } from "../output";

/** Options of the command. */
export interface DetectOptions {
  readonly run: string;
  readonly image: string;
  readonly threshold: number;
  readonly max: number;
  readonly backend: BackendName | "auto";
  readonly json: boolean;
}

/** Detects and prints. */
export async function detect(options: DetectOptions, output: Output): Promise<void> {
  const image = await openImage(options.image);
  const backend = await prepareBackend({ backend: options.backend });
  const { detector, classes, data } = await loadModel(options.run);
  const inferencer = createInferencer({
    detector,
    classes,
    size: { shorter: data.shorter, longer: data.longer },
    padTo: data.padTo,
    normalise: { mean: data.mean, std: data.std },
  });
  try {
    const found = await inferencer.detect(image, { threshold: options.threshold, maxDetections: options.max });
    if (options.json) {
      const { objects, source, input, madds, gates, ms } = found;
      const openPaths = gates ? gates.reduce((n, g) => n + (g > 0 ? 1 : 0), 0) : null;
      output.json({
        image: options.image,
        width: source.width,
        height: source.height,
        detections: objects,
        input,
        madds: madds ?? null,
        openPaths,
        ms,
        backend: backend.name,
      });
      return;
    }
    const rows = found.objects.map(({ label, score, box }) => [
      label,
      score.toFixed(2),
      ...box.map((v) => v.toFixed(0)),
    ]);
    output.text(rows.length > 0 ? columns([["label", "score", "x1", "y1", "x2", "y2"], ...rows]) : "nothing found\n");
    const cost = found.madds === undefined ? "" : `${(found.madds / 1e6).toFixed(1)} M MAdds, `;
    output.text(`${cost}${found.ms.toFixed(0)} ms on ${backend.name}\n`);
  } finally {
    inferencer.dispose();
    detector.dispose();
  }
}
