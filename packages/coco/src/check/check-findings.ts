// What a check of a data set can find, how bad it is, and a ledger that counts all of it but keeps only some examples.
import type { SkipReason } from "../dataset/dataset";
import type { ImageFault } from "../images/image-file";

/** How bad a finding is: an entry that cannot be used, one that is suspicious, or one that is good to know of. */
export type Severity = "error" | "warning" | "information";

/** Why something was found. */
export type FindingReason =
  | SkipReason
  | ImageFault
  | "annotations-unreadable"
  | "missing-folder"
  | "file-name-duplicate"
  | "image-duplicate"
  | "format-mismatch"
  | "orphan-image"
  | "negative-id"
  | "annotation-id-zero"
  | "area-not-positive"
  | "crowd"
  | "image-without-annotations"
  | "class-name-duplicate"
  | "class-empty"
  | "class-rare";

/** One thing that a check found. */
export interface Finding {
  readonly severity: Severity;
  readonly reason: FindingReason;
  readonly split: string;
  /** What is the matter and where, for a person. */
  readonly message: string;
  /** The image's file, relative to the split's images, or the annotation file. */
  readonly file?: string;
  readonly imageId?: number;
  readonly annotationId?: number;
}

/** How often a reason occurred, over all splits. */
export interface FindingCount {
  readonly severity: Severity;
  readonly reason: FindingReason;
  readonly count: number;
}

// What is an error unless it is listed here: an entry that training or evaluation would leave out.
const MILDER: Readonly<Partial<Record<FindingReason, Severity>>> = {
  "annotation-of-skipped-image": "warning", // the image's own finding is the error
  "image-duplicate": "warning",
  "format-mismatch": "warning",
  "orphan-image": "warning",
  "negative-id": "warning",
  "annotation-id-zero": "warning",
  "area-not-positive": "warning",
  "class-name-duplicate": "warning",
  "class-empty": "warning",
  crowd: "information",
  "image-without-annotations": "information",
  "class-rare": "information",
};

const ORDER: readonly Severity[] = ["error", "warning", "information"];

/** Collects findings. */
export interface Ledger {
  add(finding: Omit<Finding, "severity">): void;
  /** The examples that were kept: errors first, then by reason, in the order in which they came. */
  findings(): Finding[];
  /** Every reason that occurred: errors first, then by number. */
  counts(): FindingCount[];
}

/** Makes a ledger that keeps at most `examples` findings of each reason and split. */
export function createLedger(examples: number): Ledger {
  const counts = new Map<FindingReason, number>();
  const kept = new Map<string, Finding[]>();
  const severityOf = (reason: FindingReason) => MILDER[reason] ?? "error";
  return {
    add(finding) {
      counts.set(finding.reason, (counts.get(finding.reason) ?? 0) + 1);
      const key = `${finding.reason} ${finding.split}`;
      const list = kept.get(key) ?? [];
      kept.set(key, list);
      if (list.length < examples) list.push({ severity: severityOf(finding.reason), ...finding });
    },
    findings: () =>
      ORDER.flatMap((severity) => [...kept.values()].flat().filter((finding) => finding.severity === severity)),
    counts: () =>
      [...counts]
        .map(([reason, count]) => ({ severity: severityOf(reason), reason, count }))
        .sort((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity) || b.count - a.count),
  };
}
