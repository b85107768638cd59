// Reading back what the package wrote: a strict XML check and the elements of a figure.
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { expect } from "vitest";

/** An element as the tests look at it. */
export interface Parsed {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Names that try to leave their place. */
export const HOSTILE = [
  `</text></svg><script>alert("1")</script>`,
  `" onload="alert(1)`,
  `' onload='alert(1)`,
  "]]><![CDATA[<b>",
  "&#x3c;img src=x onerror=alert(1)&#x3e;",
  "null\u0000, bell\u0007, half a pair \ud800",
] as const;

/** Fails unless the text is well-formed XML. */
export function expectWellFormed(xml: string): void {
  expect(XMLValidator.validate(xml)).toBe(true);
  // What the validator lets pass: characters that XML forbids, and numbers that are none.
  expect(xml).not.toMatch(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u);
  expect(xml).not.toMatch(/="[^"]*\b(?:NaN|Infinity|undefined)\b/);
}

function collect(nodes: readonly Record<string, unknown>[], into: Parsed[]): string {
  let text = "";
  for (const node of nodes) {
    if (node["#text"] !== undefined) {
      text += String(node["#text"]);
      continue;
    }
    const name = Object.keys(node).find((key) => key !== ":@")!;
    const at = into.length;
    into.push({ name, attributes: {}, text: "" });
    const inner = collect(node[name] as Record<string, unknown>[], into);
    into[at] = { name, attributes: (node[":@"] ?? {}) as Record<string, string>, text: inner };
    text += inner;
  }
  return text;
}

/** All elements in document order. */
export function elementsOf(xml: string): Parsed[] {
  const parser = new XMLParser({
    preserveOrder: true,
    ignoreAttributes: false,
    attributeNamePrefix: "",
    parseTagValue: false,
    trimValues: false,
    htmlEntities: true,
  });
  const elements: Parsed[] = [];
  collect(parser.parse(xml) as Record<string, unknown>[], elements);
  return elements;
}

/** Fails where a hostile text became markup: only harmless elements and attributes may be there. */
export function expectHarmless(xml: string): void {
  for (const { name, attributes } of elementsOf(xml)) {
    expect(name).not.toMatch(/^(?:script|img|foreignObject|iframe|b)$/);
    for (const attribute of Object.keys(attributes)) expect(attribute).not.toMatch(/^on/i);
  }
}
