// The format of an image by its first bytes, and what a file name promises. Whether the rest can be decoded is image-file.ts's business.

/** Formats that are told apart. */
export type ImageFormat = "jpeg" | "png" | "gif" | "webp" | "tiff" | "bmp";

const ENDINGS: Readonly<Record<string, ImageFormat>> = {
  jpg: "jpeg",
  jpeg: "jpeg",
  jpe: "jpeg",
  png: "png",
  gif: "gif",
  webp: "webp",
  tif: "tiff",
  tiff: "tiff",
  bmp: "bmp",
};

// First bytes as Latin-1 text.
const SIGNATURES: readonly (readonly [ImageFormat, string])[] = [
  ["jpeg", "\xff\xd8\xff"],
  ["png", "\x89PNG\r\n\x1a\n"],
  ["gif", "GIF8"],
  ["tiff", "II*\0"],
  ["tiff", "MM\0*"],
  ["tiff", "II+\0"],
  ["tiff", "MM\0+"],
  ["bmp", "BM"],
];

/** The format that a file name's ending stands for; undefined when it is none of an image. */
export function formatOfName(name: string): ImageFormat | undefined {
  return ENDINGS[name.slice(name.lastIndexOf(".") + 1).toLowerCase()];
}

/** The format that the first bytes show; undefined when it is none of these. */
export function formatOfBytes(bytes: Uint8Array): ImageFormat | undefined {
  const head = String.fromCharCode(...bytes.subarray(0, 16));
  if (head.startsWith("RIFF") && head.slice(8, 12) === "WEBP") return "webp";
  return SIGNATURES.find(([, signature]) => head.startsWith(signature))?.[0];
}
