import { rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { DatasetError } from "@caddet/core";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { datasetToJson, parseAnnotations } from "../src";
import { vocReader } from "../src/convert/voc-annotation";
import { readVocFolder } from "../src/node";
import { drawJpeg } from "./drawn-images";
import { type TemporaryFolder, temporaryFolder } from "./temporary-folder";

interface Drawn {
  name: string;
  box: readonly number[];
  difficult?: boolean;
}

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

const objectXml = ({ name, box: [xmin, ymin, xmax, ymax], difficult = false }: Drawn) => `
  <object>
    <name>${escaped(name)}</name>
    <difficult>${difficult ? 1 : 0}</difficult>
    <bndbox><xmin>${xmin}</xmin><ymin>${ymin}</ymin><xmax>${xmax}</xmax><ymax>${ymax}</ymax></bndbox>
    <part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>
  </object>`;

function xml(file: string, objects: readonly Drawn[], size = "<width>80</width><height>40</height><depth>3</depth>") {
  return `<annotation>
  <folder>VOC2007</folder>
  <filename>${escaped(file)}</filename>
  <size>${size}</size>${objects.map(objectXml).join("")}
</annotation>`;
}

describe("vocReader", () => {
  it("counts pixels from 0, with the far edges inside", async () => {
    const read = await vocReader();
    const objects = [
      { name: "dog & co", box: [1, 1, 1, 1], difficult: true },
      { name: "cat", box: [11, 6, 80, 40] },
    ];
    expect(read(xml("a.jpg", objects), "a.xml")).toEqual({
      fileName: "a.jpg",
      size: { width: 80, height: 40 },
      objects: [
        { name: "dog & co", box: [0, 0, 1, 1], difficult: true },
        { name: "cat", box: [10, 5, 70, 35], difficult: false },
      ],
    });
    expect(read("<annotation/>", "a.xml")).toEqual({ fileName: undefined, size: undefined, objects: [] });
  });

  it("expands no entity", async () => {
    const text = `<!DOCTYPE x [<!ENTITY e "dog">]>${xml("a.jpg", []).replace("a.jpg", "&e;")}`;
    expect((await vocReader())(text, "a.xml").fileName).toBe("&e;");
  });

  it.each([
    ["", /^a\.xml:1: is no well-formed XML/],
    ["<annotation>\n<size>\n</annotation>", /^a\.xml:3: is no well-formed XML/],
    ["<other/>", /^a\.xml:1: expected the root element "annotation"/],
    ["<annotation>\n\n<object/></annotation>", /^a\.xml: object 1 needs a <name>/],
    ["<annotation>\n\n<object><pose>x</pose></object></annotation>", /^a\.xml:3: object 1 needs a <name>/],
    ["<annotation><object><name>x</name></object></annotation>", /^a\.xml:1: object 1 needs a number <xmin>/],
    [xml("a.jpg", [{ name: "x", box: [1, 1, 2, Number.NaN] }]), /^a\.xml:5: object 1 needs a number <ymax>/],
    [xml("a.jpg", [{ name: "x", box: [9, 1, 2, 3] }]), /^a\.xml:5: object 1 has the box \(9, 1, 2, 3\), whose far/],
    [`${"<a>".repeat(500)}${"</a>".repeat(500)}`, /^a\.xml: cannot be read \(/],
    ["<annotation><__proto__>1</__proto__></annotation>", /^a\.xml: cannot be read \(/],
  ])("refuses %j and names the place", async (text, message) => {
    const read = await vocReader();
    expect(() => read(text, "a.xml")).toThrow(message);
    expect(() => read(text, "a.xml")).toThrow(DatasetError);
  });

  it("gives an annotation or a DatasetError on any mutation of a good file", async () => {
    const read = await vocReader();
    const good = xml("a.jpg", [{ name: "cat", box: [11, 6, 80, 40] }]);
    const change = fc.tuple(
      fc.nat(good.length),
      fc.nat(30),
      fc.oneof(fc.string(), fc.constantFrom("<", ">", "</", "&", "<!--", "<![CDATA[", "<?", "<object>")),
    );
    fc.assert(
      fc.property(change, ([at, length, text]) => {
        try {
          expect(Array.isArray(read(good.slice(0, at) + text + good.slice(at + length), "a.xml").objects)).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(DatasetError);
          expect((error as Error).message).toMatch(/^a\.xml/);
        }
      }),
    );
  });
});

const made: TemporaryFolder[] = [];
afterEach(async () => {
  for (const folder of made.splice(0)) await folder.remove();
});

async function vocFolder(files: Record<string, string | Uint8Array> = {}): Promise<TemporaryFolder> {
  const jpeg = await drawJpeg({ width: 80, height: 40 });
  made.push(
    await temporaryFolder({
      "Annotations/a.xml": xml("a.jpg", [
        { name: "dog", box: [11, 6, 80, 40] },
        { name: "cat", box: [1, 1, 1, 1], difficult: true },
      ]),
      "Annotations/b.xml": xml("b.jpg", [], "<width>0</width>"),
      "JPEGImages/a.jpg": jpeg,
      "JPEGImages/b.jpg": jpeg,
      "ImageSets/Main/val.txt": "b  1\n\n",
      ...files,
    }),
  );
  return made.at(-1)!;
}

describe("readVocFolder", () => {
  it("reads all files; difficult objects are to be ignored; a size that is missing comes from the image", async () => {
    const { path } = await vocFolder();
    const found = await readVocFolder(path);
    expect(found.imageFolder).toBe(join(path, "JPEGImages"));
    expect(datasetToJson(found)).toEqual({
      images: [
        { id: 1, file_name: "a.jpg", width: 80, height: 40 },
        { id: 2, file_name: "b.jpg", width: 80, height: 40 },
      ],
      annotations: [
        { id: 1, image_id: 1, category_id: 2, bbox: [10, 5, 70, 35], area: 2450, iscrowd: 0 },
        { id: 2, image_id: 1, category_id: 1, bbox: [0, 0, 1, 1], area: 1, iscrowd: 0, ignore: 1 },
      ],
      categories: [
        { id: 1, name: "cat" },
        { id: 2, name: "dog" },
      ],
    });
  });

  it("reads a split, and takes names as they are given", async () => {
    const { path } = await vocFolder();
    expect((await readVocFolder(path, { split: "val" })).images.fileNames).toEqual(["b.jpg"]);
    expect((await readVocFolder(path, { names: ["dog", "cat"] })).annotations.categoryIndex).toEqual(
      Int32Array.of(0, 1),
    );
  });

  it("is undone by writing VOC's numbers from the instances file", async () => {
    const side = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 39 }));
    const objects = fc.array(
      fc.record({ name: fc.constantFrom("cat", "dog & co", "<b>"), x: side, y: side, difficult: fc.boolean() }),
      { maxLength: 5 },
    );
    const folder = await vocFolder({ "Annotations/b.xml": xml("b.jpg", []) });
    await fc.assert(
      fc.asyncProperty(objects, async (drawn) => {
        const asked = drawn.map(({ name, x, y, difficult }) => {
          const xmax = Math.min(80, x[0] + x[1]);
          const ymax = Math.min(40, y[0] + y[1]);
          return { name, box: [x[0], y[0], xmax, ymax], difficult };
        });
        await folder.write({ "Annotations/a.xml": xml("a.jpg", asked) });
        const found = await readVocFolder(folder.path);
        const json = datasetToJson(parseAnnotations(datasetToJson(found), { file: "again" }));
        const back = json.annotations.map(({ bbox: [x, y, w, h], category_id, ignore }) => ({
          name: json.categories.find(({ id }) => id === category_id)!.name,
          box: [x + 1, y + 1, x + w, y + h],
          difficult: ignore === 1,
        }));
        expect(back).toEqual(asked);
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    [{ "Annotations/a.xml": "<annotation>" }, /Annotations\/a\.xml:1: is no well-formed XML/],
    [{ "Annotations/a.xml": xml("../a.jpg", []) }, /a\.xml: the <filename> "\.\.\/a\.jpg" leaves the folder/],
    [{ "Annotations/a.xml": xml("/etc/a.jpg", []) }, /the <filename> "\/etc\/a\.jpg" leaves the folder/],
    [{ "Annotations/a.xml": xml("a.jpg", [{ name: "x", box: [70, 1, 90, 4] }]) }, /object 1 lies outside its 80 × 40/],
    [{ "Annotations/a.xml": xml("none.jpg", [], "") }, /none\.jpg: no such image file/],
  ])("names what is wrong in %j", async (files: Record<string, string>, message) => {
    const { path } = await vocFolder(files);
    const error = await readVocFolder(path).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DatasetError);
    expect((error as Error).message).toMatch(message);
  });

  it("checks splits, lists and names", async () => {
    const { path } = await vocFolder({ "ImageSets/Main/bad.txt": "b\n../../x\n", "ImageSets/Main/gone.txt": "gone\n" });
    await expect(readVocFolder(path, { split: "../val" })).rejects.toThrow("A split is named by");
    await expect(readVocFolder(path, { split: "test" })).rejects.toThrow("ImageSets/Main/test.txt: no such list");
    await expect(readVocFolder(path, { split: "bad" })).rejects.toThrow('bad.txt:2: "../../x" leaves the folder');
    await expect(readVocFolder(path, { split: "gone" })).rejects.toThrow("gone.xml: no such annotation file");
    await expect(readVocFolder(path, { names: ["cat"] })).rejects.toThrow('a.xml: object 1 is of the class "dog"');
  });

  it("follows no link out of the folder", async () => {
    const outside = await temporaryFolder({ "a.xml": xml("a.jpg", []) });
    made.push(outside);
    const { path } = await vocFolder();
    await rm(join(path, "Annotations/a.xml"));
    await symlink(join(outside.path, "a.xml"), join(path, "Annotations/a.xml"));
    await expect(readVocFolder(path)).rejects.toThrow(/a\.xml: leads out of .*Annotations/);
  });
});
