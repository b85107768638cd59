// A file tells what it is when it is whole, and says so when it is not.
import { CheckpointError, createRandom } from "@caddet/core";
import { describe, expect, it } from "vitest";
import { exportOnnx, readOnnxMetadata } from "../src";
import { fcosDetector } from "./models";

async function makeFile(): Promise<Uint8Array> {
  const detector = await fcosDetector();
  const classes = ["cat", "dog", "eel"].map((name, id) => ({ id, name }));
  const size = { height: 64, width: 96 };
  const bytes = await exportOnnx(detector, { classes, size, metadata: { note: "für alle" } });
  detector.dispose();
  return bytes;
}

it("gives what was exported", async () => {
  const { classes, size, ...rest } = await readOnnxMetadata(await makeFile());
  expect(JSON.parse(classes!)).toEqual(["cat", "dog", "eel"].map((name, id) => ({ id, name })));
  expect(JSON.parse(size!)).toEqual({ height: 64, width: 96 });
  expect(rest).toEqual({
    note: "für alle",
    format: "caddet-onnx/1",
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    mode: "dynamic",
    output: "detections",
    gate: "tanh",
    threshold: "0.0001",
    gateValue: "soft",
  });
});

describe("refuses", () => {
  it("a file that is cut anywhere", async () => {
    const bytes = await makeFile();
    const random = createRandom(1);
    const cuts = [
      0,
      1,
      bytes.length - 1,
      ...Array.from({ length: 30 }, () => Math.floor(random.next() * bytes.length)),
    ];
    for (const cut of cuts) {
      await expect(readOnnxMetadata(bytes.subarray(0, cut), "a.onnx"), `${cut}`).rejects.toThrow(CheckpointError);
    }
  });

  it("a file with a changed byte", async () => {
    const bytes = await makeFile();
    const random = createRandom(2);
    for (let i = 0; i < 30; i++) {
      const changed = bytes.slice();
      const from = i < 15 ? 0 : bytes.length - 300; // anywhere, and among the metadata
      changed[from + Math.floor(random.next() * (bytes.length - from))]! ^= 1 << Math.floor(random.next() * 8);
      await expect(readOnnxMetadata(changed)).rejects.toThrow(CheckpointError);
    }
  });

  it("other files, by name", async () => {
    const other = new TextEncoder().encode("a text that is no model");
    await expect(readOnnxMetadata(other, "notes.txt")).rejects.toThrow(/^notes.txt: expected an ONNX file/);
  });
});
