// The sections of a report that say what a run is: its state, its classes, its configuration.
import type { ClassEntry } from "@caddet/detector";
import { detailsHtml, paragraphHtml, type ReportSection, tableHtml } from "@caddet/viz";

/** A fact of the summary. */
export type Fact = readonly [name: string, value: string];

/**
 * The first section.
 *
 * @param facts in reading order
 * @param remarks what a reader must know, such as that something is missing
 */
export function summarySection(facts: readonly Fact[], remarks: readonly string[]): ReportSection {
  const table = tableHtml(["fact", "value"], facts, { caption: "The run" });
  return { id: "summary", title: "Summary", html: remarks.map(paragraphHtml).join("") + table };
}

// One row a setting, by its dotted path.
function settings(value: object, at = ""): [string, string][] {
  return Object.entries(value).flatMap(([key, own]): [string, string][] => {
    const path = at ? `${at}.${key}` : key;
    const isGroup = typeof own === "object" && own !== null && !Array.isArray(own);
    return isGroup ? settings(own, path) : [[path, JSON.stringify(own) ?? "undefined"]];
  });
}

/**
 * The last section.
 *
 * @param config a run's configuration
 * @param classes by class index; none where they are not known, or shown elsewhere
 */
export function configurationSection(config: object, classes: readonly ClassEntry[]): ReportSection {
  const rows = settings(config);
  const table = tableHtml(["setting", "value"], rows, { caption: "Settings of the run" });
  const named = classes.map(({ id, name }) => [name, String(id)] as const);
  const known =
    classes.length === 0
      ? ""
      : detailsHtml(`${classes.length} classes`, tableHtml(["class", "id"], named, { caption: "Classes of the run" }));
  return {
    id: "configuration",
    title: "Configuration",
    html: detailsHtml(`${rows.length} settings`, table) + known,
  };
}
