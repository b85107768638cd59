// Detections: boxes, names, truths, and what is refused.
import { ConfigError, ShapeError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { type DetectionsOptions, detectionsSvg } from "../src";
import { elementsOf, expectHarmless, expectWellFormed, HOSTILE } from "./markup";

const options: DetectionsOptions = {
  imageHref: "data:image/png;base64,iVBORw0KGgo=",
  width: 200,
  height: 100,
  boxes: Float32Array.of(10, 20, 50, 60, 0, 0, 200, 100, 190, 90, 199, 99),
  labels: [0, 1, 7],
  scores: [0.9, 0.5, 0.1],
  classNames: ["car", "tree"],
};
const rects = (svg: string, name: string) => elementsOf(svg).filter(({ attributes }) => attributes.class === name);
const chips = (svg: string) =>
  elementsOf(svg)
    .filter(({ name }) => name === "text")
    .map(({ text }) => text);

describe("detectionsSvg", () => {
  it("draws a box a detection where it lies, the best on top", () => {
    const svg = detectionsSvg(options);
    expectWellFormed(svg);
    const boxes = rects(svg, "detection").map(({ attributes: a }) => [a.x, a.y, a.width, a.height].map(Number));
    expect(boxes).toEqual([
      [190, 90, 9, 9],
      [0, 0, 200, 100],
      [10, 20, 40, 40],
    ]);
    expect(chips(svg)).toEqual(["class 7 0.10", "tree 0.50", "car 0.90"]);
    expect(elementsOf(svg).find(({ name }) => name === "image")!.attributes.href).toBe(options.imageHref);
  });

  it("keeps the names inside the image", () => {
    const svg = detectionsSvg(options);
    const plates = elementsOf(svg).filter(({ name, attributes }) => name === "rect" && attributes.fill !== "none");
    expect(plates).toHaveLength(3);
    for (const { attributes: a } of plates) {
      expect(Number(a.x)).toBeGreaterThanOrEqual(0);
      expect(Number(a.x) + Number(a.width)).toBeLessThanOrEqual(200.01);
      expect(Number(a.y)).toBeGreaterThanOrEqual(0);
    }
  });

  it("leaves out what scores too little, and draws truths apart", () => {
    const truths = { boxes: [1, 2, 3, 4], labels: [1] };
    const svg = detectionsSvg({ ...options, minScore: 0.3, truths });
    expect(rects(svg, "detection")).toHaveLength(2);
    expect(rects(svg, "truth").map(({ text }) => text)).toEqual(["annotated: tree"]);
    expect(elementsOf(svg)[0]!.attributes["aria-label"]).toBe("2 detections, 1 annotated objects");
  });

  it("draws the image alone when nothing was found", () => {
    const svg = detectionsSvg({ ...options, boxes: new Float32Array(0), labels: [], scores: [] });
    expectWellFormed(svg);
    expect(rects(svg, "detection")).toHaveLength(0);
  });

  it("skips boxes that are not finite", () => {
    const svg = detectionsSvg({ ...options, boxes: Float32Array.of(Number.NaN, 0, 1, 1), labels: [0], scores: [1] });
    expectWellFormed(svg);
    expect(rects(svg, "detection")).toHaveLength(0);
  });

  it.each(HOSTILE)("shows hostile class names as text: %j", (name) => {
    const svg = detectionsSvg({
      ...options,
      classNames: [name, name],
      title: name,
      truths: { boxes: [0, 0, 1, 1], labels: [0] },
    });
    expectWellFormed(svg);
    expectHarmless(svg);
  });

  it.each([
    "https://example.org/a.png",
    "data:text/html;base64,AAAA",
    `data:image/png;base64,A"onload="x`,
    "javascript:alert(1)",
  ])("refuses an image from elsewhere: %s", (imageHref) => {
    expect(() => detectionsSvg({ ...options, imageHref })).toThrow(ConfigError);
  });

  it("refuses lengths and sizes that do not fit", () => {
    expect(() => detectionsSvg({ ...options, labels: [0] })).toThrow("1 labels need 4 box coordinates, got 12");
    expect(() => detectionsSvg({ ...options, scores: [1] })).toThrow(ShapeError);
    expect(() => detectionsSvg({ ...options, truths: { boxes: [1], labels: [0] } })).toThrow("Truths");
    expect(() => detectionsSvg({ ...options, width: 0 })).toThrow("must be positive, got 0 × 100");
  });
});
