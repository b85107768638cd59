// The report as a document: self-contained, well-formed, navigable; and the parts that go into it.
import { ConfigError, ShapeError } from "@caddet/core";
import { describe, expect, it } from "vitest";
import {
  detailsHtml,
  escapeXml,
  figureHtml,
  galleryHtml,
  lineChart,
  paragraphHtml,
  reportHtml,
  tableHtml,
} from "../src";
import { elementsOf, expectHarmless, expectWellFormed, HOSTILE } from "./markup";

const chart = lineChart({ title: "Loss", xLabel: "epoch", yLabel: "loss", series: [{ name: "a", points: [[0, 1]] }] });
const build = (name: string) =>
  reportHtml({
    title: name,
    subtitle: name,
    sections: [
      { id: "table", title: name, note: name, html: tableHtml([name, "n"], [[name, 1]], { caption: name }) },
      { id: "figures", title: name, html: galleryHtml([{ html: chart, caption: name }]) + figureHtml({ html: chart }) },
      { id: "words", title: name, html: paragraphHtml(name) },
    ],
  });
/** The document without its type declaration, which is HTML's and not XML's. */
const asXml = (html: string) => html.replace(/^<!DOCTYPE html>\n/, "");

describe("reportHtml", () => {
  it("lists each section and gives it its anchor", () => {
    const elements = elementsOf(asXml(build("Demo")));
    const anchors = elements.filter(({ name }) => name === "a").map(({ attributes }) => attributes.href);
    expect(anchors).toEqual(["#report-content", "#table", "#figures", "#words"]);
    const ids = elements.flatMap(({ attributes }) => (attributes.id ? [`#${attributes.id}`] : []));
    expect(new Set(ids).size).toBe(ids.length);
    for (const anchor of anchors) expect(ids).toContain(anchor);
  });

  it("loads nothing, runs nothing and forbids both", () => {
    const html = build("Demo");
    const elements = elementsOf(asXml(html));
    expect(elements.filter(({ name }) => ["script", "link", "iframe", "object"].includes(name))).toEqual([]);
    for (const { attributes } of elements) {
      expect(attributes.src).toBeUndefined();
      if (attributes.href) expect(attributes.href).toMatch(/^#/);
    }
    expect(html.replaceAll('xmlns="http://www.w3.org/2000/svg"', "")).not.toMatch(/https?:|@import|url\(/);
    const policy = elements.find(({ attributes }) => attributes["http-equiv"] === "Content-Security-Policy");
    expect(policy!.attributes.content).toContain("default-src 'none'");
  });

  it("fits a phone, follows the dark mode and starts with a skip link", () => {
    const html = build("Demo");
    const elements = elementsOf(asXml(html));
    expect(elements.find(({ attributes }) => attributes.name === "viewport")!.attributes.content).toContain(
      "device-width",
    );
    expect(html).toContain("prefers-color-scheme: dark");
    expect(html).toContain(":focus-visible");
    const [first, ...rest] = elements.slice(elements.findIndex(({ name }) => name === "body") + 1);
    expect(first!.attributes).toEqual({ class: "skip", href: "#report-content" });
    expect(rest.find(({ attributes }) => attributes.id === "report-content")!.name).toBe("main");
    for (const { attributes } of elements.filter(({ attributes: a }) => a.class === "scroll")) {
      expect(attributes.tabindex).toBe("0");
      expect(attributes["aria-label"]).not.toBe("");
    }
  });

  it("is well-formed, and equal for equal input", () => {
    expectWellFormed(asXml(build("Demo")));
    expect(build("Demo")).toBe(build("Demo"));
  });

  it.each(HOSTILE)("shows hostile texts as text: %j", (name) => {
    const xml = asXml(build(name));
    expectWellFormed(xml);
    expectHarmless(xml);
  });

  it("says so when it has no sections", () => {
    const html = reportHtml({ title: "Empty", sections: [] });
    expectWellFormed(asXml(html));
    expect(html).toContain("no sections");
    expect(html).not.toContain("<nav");
  });

  it("loads itself anew only when asked to", () => {
    const refresh = (html: string) =>
      elementsOf(asXml(html)).find(({ attributes }) => attributes["http-equiv"] === "refresh")?.attributes.content;
    expect(refresh(reportHtml({ title: "T", sections: [] }))).toBeUndefined();
    const live = reportHtml({ title: "T", sections: [], refreshSeconds: 30 });
    expectWellFormed(asXml(live));
    expect(refresh(live)).toBe("30");
    for (const refreshSeconds of [0, 1.5, Number.NaN]) {
      expect(() => reportHtml({ title: "T", sections: [], refreshSeconds })).toThrow(ConfigError);
    }
  });

  it.each(["", "1a", 'a"b', "a b"])("refuses the id %j", (id) => {
    expect(() => reportHtml({ title: "T", sections: [{ id, title: "t", html: "" }] })).toThrow(ConfigError);
  });

  it("refuses an id that is taken", () => {
    const section = { title: "t", html: "" };
    expect(() =>
      reportHtml({
        title: "T",
        sections: [
          { id: "a", ...section },
          { id: "a", ...section },
        ],
      }),
    ).toThrow('The section id "a" is taken');
    expect(() => reportHtml({ title: "T", sections: [{ id: "report-content", ...section }] })).toThrow(ConfigError);
  });
});

describe("tableHtml", () => {
  it("names rows and columns, and sets numbers to the right with equal digits", () => {
    const html = tableHtml(
      ["run", "mAP"],
      [
        ["a", 0.3],
        ["b", 0.2874],
      ],
      { caption: "Accuracy" },
    );
    const elements = elementsOf(html);
    expect(elements.filter(({ attributes }) => attributes.scope === "col").map(({ text }) => text)).toEqual([
      "run",
      "mAP",
    ]);
    expect(elements.filter(({ attributes }) => attributes.scope === "row").map(({ text }) => text)).toEqual(["a", "b"]);
    const cells = elements.filter(({ name }) => name === "td");
    expect(cells.map(({ text }) => text)).toEqual(["0.3000", "0.2874"]);
    expect(cells.every(({ attributes }) => attributes.class === "number")).toBe(true);
  });

  it("mixes texts and numbers in a column", () => {
    const cells = elementsOf(
      tableHtml(
        ["a", "b"],
        [
          ["x", 1234.5],
          ["y", "n/a"],
        ],
      ),
    ).filter(({ name }) => name === "td");
    expect(cells.map(({ text, attributes }) => [text, attributes.class])).toEqual([
      ["1,235", undefined],
      ["n/a", undefined],
    ]);
  });

  it("says so when there are no rows, and refuses ragged ones", () => {
    expect(tableHtml(["a"], [])).toContain("no data");
    expectWellFormed(tableHtml([], []));
    expect(() => tableHtml(["a", "b"], [["x"]])).toThrow(ShapeError);
  });
});

describe("escapeXml", () => {
  it("replaces the five characters and what XML forbids, and nothing else", () => {
    expect(escapeXml(`<a href="x" b='y'>&`)).toBe("&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;");
    expect(escapeXml("a\u0000b\u001fc\ud800d\udc00e\ufffe")).toBe("a\ufffdb\ufffdc\ufffdd\ufffde\ufffd");
    expect(escapeXml("tab\t, näive, 汽车, 🚗")).toBe("tab\t, näive, 汽车, 🚗");
  });
});

describe("detailsHtml", () => {
  it.each(HOSTILE)("keeps the summary text and the content markup: %j", (name) => {
    const html = detailsHtml(name, tableHtml([name], [[name]]));
    expectWellFormed(html);
    expectHarmless(html);
    expect(elementsOf(html).map((element) => element.name)).toEqual(
      expect.arrayContaining(["details", "summary", "table"]),
    );
  });
});

describe("figureHtml", () => {
  it("is reached by the keyboard, and named by its label or its caption", () => {
    const region = (options: { caption?: string; label?: string }) =>
      elementsOf(figureHtml({ html: chart, ...options })).find(({ attributes }) => attributes.role === "region")!
        .attributes;
    expect(region({ caption: "one" })).toMatchObject({ tabindex: "0", "aria-label": "one" });
    expect(region({ label: "two" })["aria-label"]).toBe("two");
    expect(figureHtml({ html: chart, label: "two" })).not.toContain("figcaption");
  });
});

describe("galleryHtml", () => {
  it("gives one figure each, and nothing for none", () => {
    const figures = [{ html: chart, caption: "one" }, { html: chart }];
    expect(elementsOf(galleryHtml(figures)).filter(({ name }) => name === "figure")).toHaveLength(2);
    expect(galleryHtml([])).toBe("");
  });
});
