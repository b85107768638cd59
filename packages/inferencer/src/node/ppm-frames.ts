// Pictures of a stream of PPM images, one after the other ("P6 width height 255", then RGB rows): raw pixels that say their size
// themselves. No other PPM is read. The format: https://netpbm.sourceforge.net/doc/ppm.html
import { DatasetError, type Size } from "@caddet/core";

const MAX_PIXELS = 100_000_000;
const MAX_HEADER_BYTES = 64;
const HEADER = /^P6\s(\d{1,9})\s(\d{1,9})\s255\s/;

/** A picture. */
interface Picture extends Size {
  /** `[height * width * 3]`. */
  readonly data: Uint8Array;
}

/**
 * Cuts a stream into its pictures. No more of it is read than the picture asked for needs.
 *
 * @param chunks the stream
 * @returns the pictures, each in memory of its own; a picture that the stream's end cuts is left out
 * @throws DatasetError when it is no such stream, or a picture has more than 100 million pixels
 */
export async function* ppmFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Picture> {
  let header: Uint8Array = new Uint8Array(0);
  let frame: Picture | undefined;
  let filled = 0;
  for await (const chunk of chunks) {
    let rest = chunk;
    while (rest.length > 0) {
      if (!frame) {
        header = Buffer.concat([header, rest.subarray(0, MAX_HEADER_BYTES)]);
        const match = HEADER.exec(Buffer.from(header).toString("latin1"));
        if (!match) {
          if (header.length < MAX_HEADER_BYTES) break;
          throw new DatasetError("The decoder gave no PPM pictures. Install another version of ffmpeg.");
        }
        const [text, width, height] = [match[0], Number(match[1]), Number(match[2])];
        if (width * height > MAX_PIXELS) {
          const message = `A frame has ${width} x ${height} pixels, at most ${MAX_PIXELS} are read. Make the video smaller.`;
          throw new DatasetError(message, { width, height });
        }
        frame = { height, width, data: new Uint8Array(height * width * 3) };
        filled = 0;
        // Part of the header may have come with an earlier chunk.
        rest = rest.subarray(text.length - (header.length - Math.min(rest.length, MAX_HEADER_BYTES)));
        header = new Uint8Array(0);
      }
      const part = rest.subarray(0, frame.data.length - filled);
      frame.data.set(part, filled);
      filled += part.length;
      rest = rest.subarray(part.length);
      if (filled < frame.data.length) break;
      const whole = frame;
      frame = undefined;
      yield whole;
    }
  }
}
