// What a browser shows as a source of pixels: images, videos, canvases, bitmaps and video frames, drawn onto a canvas of the wanted
// size. Told apart by their names, so that elements of another window count, too, and nothing of a browser is needed to load this.
import { CaddetError, DatasetError, type Size } from "@caddet/core";
import { type ImageSource, requirePixels } from "./image-source";
import { withoutAlpha } from "./pixel-source";

/** Elements of a browser that show pixels. */
export type ImageElement =
  | HTMLImageElement
  | HTMLVideoElement
  | HTMLCanvasElement
  | OffscreenCanvas
  | ImageBitmap
  | VideoFrame;

interface ElementKind {
  /** The size in its own pixels; 0 where there are none. */
  readonly size: (element: never) => Size;
  /** What to do where there are none. */
  readonly hint: string;
}

const ownSize = ({ height, width }: Size): Size => ({ height, width });
const KINDS: Readonly<Record<string, ElementKind>> = {
  HTMLImageElement: {
    size: (image: HTMLImageElement) => ({ height: image.naturalHeight, width: image.naturalWidth }),
    hint: "Wait for it: await image.decode()",
  },
  HTMLVideoElement: {
    // Sizes are known before there is a picture.
    size: (video: HTMLVideoElement) =>
      video.readyState >= 2 ? { height: video.videoHeight, width: video.videoWidth } : { height: 0, width: 0 },
    hint: "Wait for its event loadeddata",
  },
  HTMLCanvasElement: { size: ownSize, hint: "Give it a size" },
  OffscreenCanvas: { size: ownSize, hint: "Give it a size" },
  ImageBitmap: { size: ownSize, hint: "Close it after its result is there" },
  VideoFrame: {
    size: (frame: VideoFrame) => ({ height: frame.displayHeight, width: frame.displayWidth }),
    hint: "Close it after its result is there",
  },
};

const nameOf = (value: unknown) => Object.prototype.toString.call(value).slice(8, -1);

/** Whether a value is a browser's element with pixels. */
export function isImageElement(value: unknown): value is ImageElement {
  return Object.hasOwn(KINDS, nameOf(value));
}

// A browser may say that a video has data before there is a picture of it; what is drawn is then transparent. Chromium makes no picture at all of
// one that has never played and has the default `preload`, its data in a blob, until somebody asks for its frames.
const LONGEST_WAIT_MS = 2000;
const LOOK_EVERY_MS = 10;

const isEmpty = (rgba: Uint8ClampedArray) => rgba.every((value, i) => i % 4 !== 3 || value === 0);

async function shownBy(video: HTMLVideoElement, size: Size): Promise<Uint8ClampedArray> {
  const start = performance.now();
  let rgba = drawn(video, size);
  // Only asked: it is not called for a frame that came since the drawing.
  if (isEmpty(rgba)) video.requestVideoFrameCallback?.(() => {});
  while (isEmpty(rgba)) {
    if (performance.now() - start > LONGEST_WAIT_MS) {
      throw new DatasetError(
        `This HTMLVideoElement has shown no picture for ${LONGEST_WAIT_MS / 1000} s. See whether it plays, and wait for its first frame: requestVideoFrameCallback.`,
        { element: "HTMLVideoElement" },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    rgba = drawn(video, size);
  }
  return rgba;
}

/** `[height * width * 4]`. */
function drawn(element: ImageElement, { height, width }: Size): Uint8ClampedArray {
  if (typeof OffscreenCanvas === "undefined") {
    throw new CaddetError(
      "unsupported",
      "Elements are drawn on an OffscreenCanvas, which this browser lacks. Update it.",
    );
  }
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!context) throw new CaddetError("unsupported", `No canvas of ${height} x ${width} pixels can be drawn on here.`);
  context.imageSmoothingQuality = "high";
  context.drawImage(element, 0, 0, width, height);
  return context.getImageData(0, 0, width, height, { colorSpace: "srgb" }).data;
}

/**
 * Makes a source of what an element shows. It shows what is there when it is rendered: a playing video may be a frame further by then. A video
 * that has just been loaded is waited for, up to two seconds. After a seek it may still show the frame of before when `seeked` comes: call
 * `requestVideoFrameCallback` before `currentTime` is set, and wait for both.
 * Boxes are in the element's own pixels (`naturalWidth`, `videoWidth`), not in those of the page; a browser turns an image by its EXIF
 * orientation first. What is fully transparent is black, but a video of which nothing is to be seen has no picture yet.
 *
 * @param element with pixels, of this page's origin or with CORS
 * @returns a source; its `render` throws DatasetError when the browser does not let it read the pixels, they are gone, or a video shows none
 * @throws DatasetError when it has no pixels (yet, or any more)
 */
export function elementSource(element: ImageElement): ImageSource {
  const name = nameOf(element);
  const { size, hint } = KINDS[name]!;
  const { height, width } = size(element as never);
  if (!height || !width) throw new DatasetError(`This ${name} has no pixels. ${hint}.`, { element: name });
  requirePixels({ height, width }, `This ${name}`);
  const render = async (wanted: Size) => {
    try {
      const isVideo = name === "HTMLVideoElement";
      return withoutAlpha(await (isVideo ? shownBy(element as HTMLVideoElement, wanted) : drawn(element, wanted)));
    } catch (cause) {
      if (cause instanceof CaddetError) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      const isForeign = cause instanceof Error && cause.name === "SecurityError";
      const advice = isForeign ? 'Serve it with CORS and load it with crossOrigin "anonymous"' : hint;
      throw new DatasetError(`This ${name} cannot be read: ${why} ${advice}.`, { element: name }, { cause });
    }
  };
  return { height, width, render };
}
