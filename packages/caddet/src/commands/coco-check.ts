// `caddet coco check`: what is wrong with a data set, as a table by reason.
import { type CheckReport, checkDataset, type Finding } from "@caddet/coco/node";
import { columns, type Output } from "../output";

/** Options of the command. */
export interface CocoCheckOptions {
  /** Default: all. */
  readonly split?: readonly string[];
  /** Whether images are not decoded. */
  readonly quick: boolean;
  /** Examples of a reason and a split. */
  readonly examples?: number;
  readonly json: boolean;
}

const TEXT_EXAMPLES = 3;
const JSON_EXAMPLES = 100;
// Images between two remarks on the progress.
const REMARK_EVERY = 5000;

// Names come from foreign files: a control character could steer the terminal.
const place = ({ split, message }: Finding) => `    ${split}: ${message.replace(/\p{Cc}/gu, "\u{FFFD}")}\n`;

function table({ folder, splits, counts, findings, errors, warnings, information }: CheckReport): string {
  const rows = splits.map(({ split, images, annotations, classes }) =>
    [split, images, annotations, classes].map(String),
  );
  const parts = [`${folder}\n\n`, columns([["split", "images", "annotations", "classes"], ...rows]), "\n"];
  const widest = Math.max(0, ...counts.map(({ reason }) => reason.length));
  for (const { severity, reason, count } of counts) {
    parts.push(`${severity.padEnd(11)}  ${reason.padEnd(widest)}  ${count}\n`);
    const examples = findings.filter((finding) => finding.reason === reason);
    parts.push(...examples.map(place));
    if (examples.length < count) parts.push(`    … and ${count - examples.length} more\n`);
  }
  if (counts.length > 0) parts.push("\n");
  parts.push(`${errors} errors, ${warnings} warnings, ${information} remarks\n`);
  return parts.join("");
}

/**
 * Checks and prints.
 *
 * @param folder the data set
 * @returns 1 with errors, else 0: warnings and remarks are no failure
 */
export async function cocoCheck(folder: string, options: CocoCheckOptions, output: Output): Promise<number> {
  const { split, quick, json } = options;
  const report = await checkDataset(folder, {
    splits: split,
    images: quick ? "header" : "decode",
    examples: options.examples ?? (json ? JSON_EXAMPLES : TEXT_EXAMPLES),
    onProgress: (done, total) => {
      if (done % REMARK_EVERY === 0) output.note(`${done}/${total} images\n`);
    },
  });
  if (json) output.json(report);
  else output.text(table(report));
  return report.errors > 0 ? 1 : 0;
}
