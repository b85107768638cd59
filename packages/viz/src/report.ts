// One HTML file that says what a run did: it opens offline, loads nothing, runs no script (its content security policy forbids both)
// and is well-formed XML besides. It arranges sections; what is in them comes from the caller.
import { ConfigError } from "@caddet/core/base";
import { escapeXml } from "./escape";
import { REPORT_STYLE } from "./report-style";

/** One section of a report. */
export interface ReportSection {
  /** The anchor: a letter, then letters, digits, `_` or `-`; each id once. */
  readonly id: string;
  readonly title: string;
  /** Plain text below the title: what is shown, how it was measured. */
  readonly note?: string;
  /** Markup, taken as it is: figures and parts that this package's functions return. */
  readonly html: string;
}

/** What a report holds. */
export interface ReportOptions {
  readonly title: string;
  /** One line below the title, default none. */
  readonly subtitle?: string;
  readonly sections: readonly ReportSection[];
  /** Seconds, an integer from 1, after which a browser loads the file anew: for a report that is still being written. Default never. */
  readonly refreshSeconds?: number;
  /** The language of the texts as a BCP 47 tag, default "en". */
  readonly language?: string;
}

const CONTENT_ID = "report-content";
const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

function checkIds(sections: readonly ReportSection[]): void {
  const seen = new Set<string>([CONTENT_ID]);
  for (const { id } of sections) {
    if (!/^[A-Za-z][\w-]*$/.test(id)) {
      throw new ConfigError(`A section's id must be a letter, then letters, digits, "_" or "-", got "${id}".`);
    }
    if (seen.has(id)) throw new ConfigError(`The section id "${id}" is taken. Give each section another one.`);
    seen.add(id);
  }
}

function sectionHtml({ id, title, note = "", html }: ReportSection): string {
  const below = note === "" ? "" : `<p class="note">${escapeXml(note)}</p>`;
  return `<section id="${id}"><h2>${escapeXml(title)}</h2>${below}\n${html}</section>`;
}

/**
 * Writes a report.
 *
 * @param options title, subtitle, sections in reading order
 * @returns a complete HTML document; equal arguments give equal bytes
 * @throws ConfigError when a section's id is malformed or occurs twice, or `refreshSeconds` is no integer from 1
 * @example reportHtml({ title: "CADDet demo", sections: [{ id: "loss", title: "Loss", html: lineChart(curves) }] })
 */
export function reportHtml(options: ReportOptions): string {
  const { title, subtitle = "", sections, refreshSeconds, language = "en" } = options;
  checkIds(sections);
  if (refreshSeconds !== undefined && !(Number.isSafeInteger(refreshSeconds) && refreshSeconds >= 1)) {
    throw new ConfigError(`A report refreshes after an integer of seconds from 1, got ${refreshSeconds}.`);
  }
  const refresh = refreshSeconds === undefined ? "" : `<meta http-equiv="refresh" content="${refreshSeconds}"/>\n`;
  const entries = sections.map(({ id, title: text }) => `<li><a href="#${id}">${escapeXml(text)}</a></li>`).join("");
  const contents = sections.length === 0 ? "" : `<nav aria-label="Contents"><h2>Contents</h2><ol>${entries}</ol></nav>`;
  const body = sections.length === 0 ? "<p>This report has no sections.</p>" : sections.map(sectionHtml).join("\n");
  const lead = subtitle === "" ? "" : `<p>${escapeXml(subtitle)}</p>`;
  return `<!DOCTYPE html>
<html lang="${escapeXml(language)}">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="${escapeXml(POLICY)}"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
${refresh}<title>${escapeXml(title)}</title>
<style>
${REPORT_STYLE}
</style>
</head>
<body>
<a class="skip" href="#${CONTENT_ID}">Skip to the content</a>
<div class="page">
<header><h1>${escapeXml(title)}</h1>${lead}</header>
${contents}
<main id="${CONTENT_ID}" tabindex="-1">
${body}
</main>
</div>
</body>
</html>
`;
}
