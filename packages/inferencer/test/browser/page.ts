// The page that runs in a real browser: detectors on tfjs-wasm and onnxruntime-web, and every kind of element as an image. The test
// beside it bundles, serves and drives it.
import "@tensorflow/tfjs-backend-cpu";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import * as ort from "onnxruntime-web/wasm";
import { createDetector, type ImageInput, type Inferencer, toImageSource } from "../../src";

/** Pixels that can be sent to the page and back. */
export interface SentImage {
  readonly height: number;
  readonly width: number;
  /** RGB. */
  readonly data: number[];
}

/** What can be sent of a result. */
export interface SentResult {
  readonly engine: string;
  readonly device: string;
  readonly objects: readonly { readonly label: string; readonly score: number; readonly box: readonly number[] }[];
  readonly madds: number | undefined;
}

let detectors: readonly Inferencer[] = [];

/** Opens the two models that the server has. */
async function open(): Promise<void> {
  setWasmPaths("/wasm/");
  await tf.setBackend("wasm");
  ort.env.wasm.wasmPaths = "/ort/";
  detectors = [
    await createDetector({ file: "/model.safetensors", engine: "tfjs" }),
    await createDetector({ file: "/model.onnx", onnx: { runtime: ort, threads: 1 } }),
  ];
}

function imageDataOf({ height, width, data }: SentImage): ImageData {
  const image = new ImageData(width, height);
  for (let i = 0; i < height * width; i++) image.data.set([...data.slice(i * 3, i * 3 + 3), 255], i * 4);
  return image;
}

function canvasOf(image: SentImage): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  [canvas.height, canvas.width] = [image.height, image.width];
  canvas.getContext("2d")!.putImageData(imageDataOf(image), 0, 0);
  return canvas;
}

async function detectOn(image: ImageInput): Promise<SentResult[]> {
  const results: SentResult[] = [];
  for (const detector of detectors) {
    const { objects, madds } = await detector.detect(image);
    const sent = objects.map(({ label, score, box }) => ({ label, score, box: [...box] }));
    results.push({ engine: detector.engine, device: detector.device, objects: sent, madds });
  }
  return results;
}

const once = (target: EventTarget, name: string) =>
  new Promise((resolve) => target.addEventListener(name, resolve, { once: true }));

// A short video of what the canvas shows, at its first frame and just loaded.
async function videoOf(canvas: HTMLCanvasElement): Promise<HTMLVideoElement> {
  const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: "video/webm;codecs=vp8" });
  const chunks: Blob[] = [];
  recorder.addEventListener("dataavailable", ({ data }) => chunks.push(data));
  const stopped = once(recorder, "stop");
  recorder.start();
  const context = canvas.getContext("2d")!;
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < 6; i++) {
    context.putImageData(pixels, 0, 0);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  recorder.stop();
  await stopped;
  const video = document.createElement("video");
  video.muted = true;
  video.src = URL.createObjectURL(new Blob(chunks, { type: "video/webm" }));
  await once(video, "loadeddata");
  return video;
}

/** Detects on an ImageData and on a canvas. */
async function detect(image: SentImage): Promise<{ imageData: SentResult[]; canvas: SentResult[] }> {
  return { imageData: await detectOn(imageDataOf(image)), canvas: await detectOn(canvasOf(image)) };
}

/** Detects on a video of an image as soon as it is loaded, and gives the frame that it showed. */
async function detectVideo(image: SentImage): Promise<{ results: SentResult[]; frame: SentImage }> {
  const video = await videoOf(canvasOf(image));
  const source = toImageSource(video);
  const size = { height: source.height, width: source.width };
  const frame = { ...size, data: [...(await source.render(size))] };
  return { results: await detectOn(video), frame };
}

/** What each kind of element gives of an image at a size. */
async function render(image: SentImage, size: { height: number; width: number }): Promise<Record<string, number[]>> {
  const canvas = canvasOf(image);
  const shown = new Image();
  shown.src = canvas.toDataURL("image/png");
  await shown.decode();
  const offscreen = new OffscreenCanvas(image.width, image.height);
  offscreen.getContext("2d")!.putImageData(imageDataOf(image), 0, 0);
  const bitmap = await createImageBitmap(canvas);
  const frame = new VideoFrame(canvas, { timestamp: 0 });
  const tensor = tf.tensor3d(image.data, [image.height, image.width, 3]);
  const inputs = { canvas, shown, offscreen, bitmap, frame, tensor, pixels: imageDataOf(image) };
  const rendered: Record<string, number[]> = {};
  for (const [name, input] of Object.entries(inputs)) rendered[name] = [...(await toImageSource(input).render(size))];
  bitmap.close();
  frame.close();
  tensor.dispose();
  return rendered;
}

/** The messages about a closed bitmap, an image that is not loaded and one of another origin. */
async function refusals(foreignImage: string): Promise<string[]> {
  const messageOf = async (run: () => unknown) => {
    try {
      await run();
      return "nothing was refused";
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message}`;
    }
  };
  const size = { height: 2, width: 2 };
  const bitmap = await createImageBitmap(new ImageData(2, 2));
  const opened = toImageSource(bitmap);
  bitmap.close();
  const foreign = new Image();
  foreign.src = foreignImage;
  await foreign.decode();
  return [
    await messageOf(() => toImageSource(bitmap)),
    await messageOf(() => opened.render(size)),
    await messageOf(() => toImageSource(new Image())),
    await messageOf(() => toImageSource(document.createElement("video"))),
    await messageOf(() => toImageSource(foreign).render(size)),
  ];
}

/** Closes the detectors; returns the tensors that are left. */
async function close(): Promise<number> {
  for (const detector of detectors) await detector.close();
  return tf.memory().numTensors;
}

const caddetPage = { open, detect, detectVideo, render, refusals, close };
declare global {
  interface Window {
    caddetPage: typeof caddetPage;
  }
}
window.caddetPage = caddetPage;
