import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { DatasetError } from "@caddet/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ImageFilesOptions, imageFiles } from "../src/node/index";

const FILES = [
  "img10.jpg",
  "img2.JPG",
  "img1.png",
  "notes.txt",
  ".hidden.jpg",
  "sub/deep/b.webp",
  "sub/a.tiff",
  "sub/labels.json",
  "odd/a[1].png",
  "odd/a1.png",
  "others/read.me",
];
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "caddet-files-"));
  for (const name of FILES) {
    await mkdir(join(folder, name, ".."), { recursive: true });
    await writeFile(join(folder, name), name);
  }
  await mkdir(join(folder, "empty"));
});
afterAll(() => rm(folder, { recursive: true }));

// Names below the folder.
async function found(inputs: readonly string[], options?: ImageFilesOptions): Promise<string[]> {
  const names: string[] = [];
  const paths = inputs.map((input) => join(folder, input));
  for await (const file of imageFiles(paths, options)) names.push(relative(folder, file).replaceAll("\\", "/"));
  return names;
}

describe("imageFiles", () => {
  it("lists a folder's images in natural order, without hidden ones", async () => {
    expect(await found(["."])).toEqual(["img1.png", "img2.JPG", "img10.jpg"]);
  });

  it("looks into the folders below when told to", async () => {
    const all = ["img1.png", "img2.JPG", "img10.jpg", "odd/a[1].png", "odd/a1.png", "sub/a.tiff", "sub/deep/b.webp"];
    expect(new Set(await found(["."], { recursive: true }))).toEqual(new Set(all));
    expect(await found(["sub"], { recursive: true })).toEqual(["sub/a.tiff", "sub/deep/b.webp"]);
  });

  it.each([
    ["*.png", ["img1.png"]],
    ["img?.*", ["img1.png", "img2.JPG"]],
    ["img{10,2}.{jpg,JPG}", ["img2.JPG", "img10.jpg"]],
    ["sub/**", ["sub/a.tiff", "sub/deep/b.webp"]],
    ["**/a*.png", ["odd/a[1].png", "odd/a1.png"]],
  ])("finds what %s means", async (pattern, names) => {
    expect((await found([pattern])).sort()).toEqual([...names].sort());
  });

  it("takes relative globs from the current folder on", async () => {
    const pattern = `${relative(process.cwd(), folder).replaceAll("\\", "/")}/img*.png`;
    const files: string[] = [];
    for await (const file of imageFiles([pattern])) files.push(relative(folder, file));
    expect(files).toEqual(["img1.png"]);
  });

  it("takes a file that is there as it is named, brackets and foreign endings included", async () => {
    expect(await found(["odd/a[1].png", "notes.txt"])).toEqual(["odd/a[1].png", "notes.txt"]);
  });

  it("keeps the order of the inputs and gives each file once", async () => {
    const names = ["img10.jpg", "img1.png", "img2.JPG", "sub/a.tiff"];
    expect(await found(["img10.jpg", ".", "sub/*", "sub/../img1.png", "*.JPG"])).toEqual(names);
  });

  it("tells what it skipped", async () => {
    const skipped: string[] = [];
    const onSkip = (file: string) => skipped.push(relative(folder, file).replaceAll("\\", "/"));
    await found([".", "sub/*", "notes.txt"], { onSkip });
    expect(skipped).toEqual(["notes.txt", "sub/labels.json"]);
  });

  it.skipIf(process.platform === "win32")("follows links, and not in circles", async () => {
    await mkdir(join(folder, "links"));
    await symlink(join(folder, "img1.png"), join(folder, "links", "one.png"));
    await symlink(join(folder, "links"), join(folder, "links", "again"));
    const names = await found(["links"], { recursive: true });
    await rm(join(folder, "links"), { recursive: true });
    expect(names).toContain("links/one.png");
    expect(names.length).toBeLessThan(3);
  });

  it.each([
    [["none.jpg"], /There is no file or folder .*none\.jpg\. Check the path\./],
    [["img1.png", "none/*.jpg"], /No image in .*none\/\*\.jpg, no file\./],
    [["empty"], /No image in .*empty, no file\. .*recursive looks into the folders below/],
    [["others"], /No image in .*others, 1 files of other kinds/],
    [["img1.png/a.jpg"], /There is no file or folder/],
  ])("refuses %s before it gives anything", async (inputs, message) => {
    await expect(found(inputs)).rejects.toThrow(message);
    await expect(found(inputs)).rejects.toThrow(DatasetError);
    const first = imageFiles(inputs.map((input) => join(folder, input)))
      [Symbol.asyncIterator]()
      .next();
    await expect(first).rejects.toThrow(DatasetError);
  });

  it("refuses an empty list", async () => {
    await expect(found([])).rejects.toThrow("No image was named. Name files, folders or globs.");
  });
});
