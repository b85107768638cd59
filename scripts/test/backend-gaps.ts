// What a backend cannot run, in one list: each specification by its name, with the reason, which the report shows. A setup file: it looks at
// every test before it runs. Everything else that says "on <backend>" has to pass there.
import type { BackendName } from "@caddet/runtime/node";
import { beforeEach } from "vitest";

declare module "vitest" {
  interface TaskMeta {
    /** Why the test is skipped, for scripts/native/count-specs.mjs. */
    gap?: string;
  }
}

interface Gap {
  readonly backend: BackendName;
  /** Of the names of describe and it. */
  readonly test: RegExp;
  readonly reason: string;
}

const GAPS: readonly Gap[] = [
  {
    backend: "webgpu",
    test: /with the mapping 'loss'|mapping that looks at losses|its losses only where it asks/,
    reason: "a budget mapping that looks at losses reads them within the step, which webgpu in Node cannot",
  },
  {
    backend: "webgpu",
    test: /^syncedBatchNorm on /,
    reason: "each pass adds numbers across ranks and so reads them at once, which webgpu in Node cannot",
  },
];

beforeEach(({ skip, task }) => {
  const name = task.fullTestName;
  const gap = GAPS.find(({ backend, test }) => name.includes(`on ${backend} >`) && test.test(name));
  if (!gap) return;
  task.meta.gap = gap.reason;
  skip(gap.reason);
});
