// The program as a process: it becomes ready, serves, and ends on SIGTERM with what was in flight answered; and what it says of wrong
// flags and files.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { drawPicture, tinyModel } from "./tiny-model";

const root = fileURLToPath(new URL("../../..", import.meta.url));
let folder: string;
let model: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "caddet-server-"));
  model = join(folder, "model.safetensors");
  await writeFile(model, await tinyModel());
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Program {
  readonly child: ChildProcess;
  /** What it wrote until now. */
  output(): string;
  /** Its exit status, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

function start(...flags: string[]): Program {
  const args = ["--conditions=@caddet/source", "--import", "tsx", join(root, "examples/detect-server/src/main.ts")];
  const child = spawn(process.execPath, [...args, ...flags], { cwd: root });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
  }
  const ended = once(child, "close").then(([status, signal]) => status ?? signal);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return { child, output: () => text, ended };
}

async function urlOf({ output }: Program): Promise<string> {
  const url = await vi.waitFor(() => /listening at (http:[^"]+)"/.exec(output())![1]!, { timeout: 30_000 });
  await vi.waitFor(async () => expect((await fetch(`${url}/health`)).status).toBe(200), {
    timeout: 30_000,
    interval: 100,
  });
  return url;
}

const wasm = () => ["--model", model, "--engine", "tfjs", "--backend", "wasm", "--port", "0"];

it("serves, and on SIGTERM answers what is in flight and ends with 0", async () => {
  const program = start(...wasm());
  const url = await urlOf(program);
  const picture = await drawPicture(80, 60);
  const whole = await fetch(`${url}/detect?threshold=0&max=3`, {
    method: "POST",
    headers: { "content-type": "image/png" },
    body: picture,
  });
  const { objects } = (await whole.json()) as { objects: unknown[] };
  expect(objects).toHaveLength(3);

  // Half an image is sent before the signal, half after it.
  const late = request(`${url}/detect?threshold=0&max=3`, {
    method: "POST",
    headers: { "content-type": "image/png", "content-length": picture.length },
  });
  late.write(picture.subarray(0, 100));
  const inFlight = async () => /^caddet_in_flight (\d+)$/m.exec(await (await fetch(`${url}/metrics`)).text())![1];
  await vi.waitFor(async () => expect(await inFlight()).toBe("1"), { timeout: 5000 });
  const answer = once(late, "response");
  program.child.kill("SIGTERM");
  await vi.waitFor(() => expect(program.output()).toContain('"stopping"'), { timeout: 5000 });
  await vi.waitFor(() => expect(fetch(`${url}/health`)).rejects.toThrow());
  late.end(picture.subarray(100));
  const [response] = await answer;
  expect(response.statusCode).toBe(200);
  const chunks = await response.toArray();
  expect(JSON.parse(Buffer.concat(chunks).toString()).objects).toEqual(objects);
  expect(await program.ended).toBe(0);
  expect(program.output()).toContain('"stopped"');
});

it("ends at once on the second signal", async () => {
  const program = start(...wasm());
  const { port } = new URL(await urlOf(program));
  const stuck = request({ port, path: "/detect", method: "POST", headers: { "content-type": "image/png" } });
  stuck.on("error", () => {});
  stuck.write("half");
  await vi.waitFor(async () => {
    const health = await fetch(`http://127.0.0.1:${port}/health`);
    expect(await health.json()).toMatchObject({ inFlight: 1 });
  });
  program.child.kill("SIGTERM");
  await vi.waitFor(() => expect(program.output()).toContain('"stopping"'), { timeout: 5000 });
  program.child.kill("SIGTERM");
  expect(await program.ended).toBe("SIGTERM");
});

it.each([
  ["no model", [], 2, "--model is missing"],
  ["an unknown flag", ["--nodel", "x"], 2, "--nodel"],
  ["an unknown engine", ["--model", "x", "--engine", "torch"], 2, "auto, tfjs, onnx"],
  ["a model that is not there", ["--model", "nowhere.safetensors", "--port", "0"], 1, "nowhere.safetensors"],
])("says what is wrong: %s", async (_, flags, status, text) => {
  const program = start(...flags);
  expect(await program.ended).toBe(status);
  expect(program.output()).toContain(text);
  expect(program.output()).not.toMatch(/\n\s+at /);
});
