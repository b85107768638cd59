// While a run trains: the report that refreshes, and the pictures for TensorBoard. Both follow a run of a few steps here.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createLoader, type ImageDataset, loadDataset } from "@caddet/coco/node";
import { createRandom } from "@caddet/core";
import { buildDetector, type Detector, parseModelConfig } from "@caddet/detector";
import { prepareBackend } from "@caddet/runtime/node";
import { createTrainer, parseTrainConfig, type Trainer, type TrainHook } from "@caddet/trainer";
import { loaderOptions, metricsHook, runFolder, type TaggedImage, tensorboardHook } from "@caddet/trainer/node";
import * as tf from "@tensorflow/tfjs-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parts } from "../../src/parts";
import { reportHook } from "../../src/report/report-hook";
import { sampleImages } from "../../src/report/sample-images";
import { CONFIG, type DrawnSet, drawSet } from "../drawn-set";

let set: DrawnSet;
let dataset: ImageDataset;
beforeAll(async () => {
  await prepareBackend({ backend: "wasm" });
  set = await drawSet();
  dataset = await loadDataset(set.folder, "train");
});
afterAll(() => set.remove());

/** Trains for two epochs of two steps. */
async function train(
  hooks: readonly TrainHook[],
  see: (trainer: Trainer) => Promise<void> = async () => {},
): Promise<void> {
  const checked = parseTrainConfig({ ...CONFIG, schedule: { epochs: 2, warmupSteps: 0 } });
  const config = { ...checked, model: parseModelConfig(checked.model, parts) };
  const loader = createLoader(dataset, loaderOptions(config));
  const random = createRandom(config.seed);
  const detector: Detector = buildDetector(config.model, { parts, numClasses: 2, random });
  const trainer = createTrainer({ detector, batches: loader, config, random, hooks });
  try {
    await trainer.run();
    await see(trainer);
  } finally {
    trainer.dispose();
    detector.dispose();
    await loader.dispose();
  }
}

describe("reportHook", () => {
  it("writes a page that refreshes while the run trains, and stops when it is over", async () => {
    const folder = runFolder(set.path("live"));
    const file = join(folder.path, "report.html");
    const pages: string[] = [];
    const reader: TrainHook = {
      name: "reader",
      onStart: async () => void pages.push(await readFile(file, "utf8")),
      onEpoch: async (_, trainer) => {
        await trainer.reportEvaluation({ AP: 0.25 });
        pages.push(await readFile(file, "utf8"));
      },
    };
    const before = tf.memory().numTensors;
    await train([metricsHook(folder), reportHook(folder, { classes: [{ id: 3, name: "<even>" }] }), reader]);
    expect(tf.memory().numTensors).toBe(before);
    const last = await readFile(file, "utf8");
    expect(pages).toHaveLength(3);
    for (const page of pages) expect(page).toContain('<meta http-equiv="refresh" content="60"/>');
    expect(pages[0]).toContain("The run has no steps yet.");
    expect(pages[1]).toContain("training, step 2 of 4");
    expect(pages[1]).toContain("Mean route of 4 images");
    expect(pages[1]).toContain("&lt;even&gt;");
    expect(pages[2]).toContain("Evaluations while training");
    expect(last).not.toContain('http-equiv="refresh"');
    expect(last).toContain("finished, step 4 of 4");
  });

  it("goes on from the run's files", async () => {
    const folder = runFolder(set.path("resumed"));
    await train([metricsHook(folder)]);
    const lines = (await readFile(folder.metricsFile, "utf8")).split("\n");
    await writeFile(folder.metricsFile, `${lines.slice(0, 2).join("\n")}\n`);
    const hook = reportHook(folder);
    let page = "";
    const reader: TrainHook = {
      name: "reader",
      onStart: async () => {
        page = await readFile(join(folder.path, "report.html"), "utf8");
      },
    };
    await train([hook, reader]);
    expect(page).toContain("loss at the end");
  });

  it("tells of an error, and of a page that cannot be written without ending the run", async () => {
    const folder = runFolder(set.path("failed"));
    const failing: TrainHook = {
      name: "failing",
      onStep: () => {
        throw new Error("out of <paper>");
      },
    };
    await expect(train([metricsHook(folder), reportHook(folder), failing])).rejects.toThrow("out of <paper>");
    const page = await readFile(join(folder.path, "report.html"), "utf8");
    expect(page).toContain("ended by an error (out of &lt;paper&gt;) after step 1 of 4");
    expect(page).not.toContain('http-equiv="refresh"');

    const file = set.path("file");
    await writeFile(file, "");
    const warnings: string[] = [];
    await train([reportHook(runFolder(file), { warn: (text) => warnings.push(text) })]);
    expect(warnings[0]).toMatch(/^The report is left out: .*file/);
  });
});

describe("sampleImages", () => {
  it("draws detections and routes of the same images as PNG, in TensorBoard's form, and keeps no tensor", async () => {
    const images = sampleImages({ dataset, count: 2, minScore: 0 });
    const drawn: (readonly TaggedImage[])[] = [];
    const folder = runFolder(set.path("board"));
    const hook = tensorboardHook(folder, {
      images: async (trainer) => {
        drawn.push(await images(trainer));
        return drawn.at(-1)!;
      },
    });
    await train([hook], async (trainer) => {
      const before = tf.memory().numTensors;
      await images(trainer);
      expect(tf.memory().numTensors).toBe(before);
    });
    const tags = ["detections/1", "routes/1", "detections/3", "routes/3"];
    expect(drawn.map((all) => all.map(({ tag }) => tag))).toEqual([tags, tags]);
    for (const { png, width, height } of drawn.flat()) {
      const metadata = await sharp(png).metadata();
      expect(metadata).toMatchObject({ format: "png", width, height, channels: 4 });
      expect(Math.max(width, height)).toBeLessThanOrEqual(640);
      const { entropy } = await sharp(png).stats();
      expect(entropy).toBeGreaterThan(0.1); // something is drawn
    }
  });

  it("leaves out an image that cannot be read, and says so", async () => {
    const warnings: string[] = [];
    const fileNames = ["none.jpg", ...dataset.images.fileNames.slice(1)];
    const images = sampleImages({
      dataset: { ...dataset, images: { ...dataset.images, fileNames } },
      count: 2,
      warn: (text) => warnings.push(text),
    });
    await train([], async (trainer) => {
      expect((await images(trainer)).map(({ tag }) => tag)).toEqual(["detections/3", "routes/3"]);
    });
    expect(warnings).toEqual([expect.stringMatching(/^Image 1 is left out: .*none\.jpg/)]);
  });
});
