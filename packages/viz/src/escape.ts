// Text made safe for XML and HTML, in content and in quoted attributes alike. Every name, label and title that enters a figure or a
// report passes here. Not a sanitiser of markup: what is escaped is shown, never interpreted.

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** What XML 1.0 forbids even when escaped: control characters, lone surrogates, U+FFFE and U+FFFF. */
const FORBIDDEN = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu;

/**
 * Escapes text for XML and HTML.
 *
 * @param text any string
 * @returns the text with the five special characters as entities and forbidden characters as U+FFFD
 * @example escapeXml("<b>") // "&lt;b&gt;"
 */
export function escapeXml(text: string): string {
  return text.replace(FORBIDDEN, "\u{FFFD}").replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
