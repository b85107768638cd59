// A backend that was asked for and is not here. Where it is, that is skipped by name.
import { join } from "node:path";
import { type BackendReports, inspectBackends } from "@caddet/runtime/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, errorOf } from "./call";
import { type DrawnSet, drawSet } from "./drawn-set";

let set: DrawnSet;
let found: BackendReports;
beforeAll(async () => {
  set = await drawSet();
  found = await inspectBackends();
  const { code, err } = await call(
    ...["train", "--data", set.folder, "--out", set.path("run"), "--config", set.configFile, "--backend", "wasm"],
  );
  expect(code, err).toBe(0);
});
afterAll(() => set.remove());

describe.each(["tfjs-node-gpu", "tfjs-node", "webgpu"] as const)("--backend %s, where it is missing", (backend) => {
  it.for(["train", "evaluate", "detect"])(
    "ends caddet %s with one error that says what to install",
    async (command, { skip }) => {
      const { available } = found.backends.find(({ name }) => name === backend)!;
      if (available) skip(`${backend} is here`);
      const options = {
        train: ["--data", set.folder, "--out", set.path("never"), "--config", set.configFile],
        evaluate: ["--data", set.folder, "--run", set.path("run")],
        detect: ["--image", join(set.folder, "val", "1.jpg"), "--run", set.path("run")],
      }[command]!;
      const text = errorOf(await call(command, ...options, "--backend", backend));
      expect(text).toMatch(new RegExp(`^The backend ${backend} cannot be used: .*npm install `));
    },
  );
});
