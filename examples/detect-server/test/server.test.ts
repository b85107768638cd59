// The server on a real socket: what it refuses and how, who waits, who is let go, and what an image gives, alone and among fifty.
import { once } from "node:events";
import { connect } from "node:net";
import { CaddetError } from "@caddet/core";
import type { InferenceResult, Inferencer } from "@caddet/inferencer";
import { createDetector, type NodeImageInput } from "@caddet/inferencer/node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { heldInferencer } from "./held-inferencer";
import { listening, problem } from "./listening";
import { drawPicture, tinyModel } from "./tiny-model";

let picture: Buffer<ArrayBuffer>;
let detector: Inferencer<NodeImageInput>;

beforeAll(async () => {
  picture = await drawPicture(80, 60);
  detector = await createDetector({
    file: await tinyModel(),
    engine: "tfjs",
    backend: "wasm",
    batch: { images: 8, delayMs: 30 },
  });
});
afterAll(() => detector.close());

/** The model of all tests here: a server closes its own. */
const shared = () => Promise.resolve({ ...detector, close: async () => {} });

// Sends bytes as they are, and gives what came back when the other side is done.
function raw(url: string, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { port, hostname } = new URL(url);
    const socket = connect(Number(port), hostname, () => socket.write(head));
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
    socket.on("close", () => resolve(text)).on("error", reject);
  });
}

describe("POST /detect", () => {
  it("gives boxes in the image's pixels and what they cost", async () => {
    const { post } = await listening(shared());
    const response = await post(picture, { query: "?threshold=0&max=5" });
    expect(response.status).toBe(200);
    const { objects, ...rest } = (await response.json()) as InferenceResult;
    expect(objects).toHaveLength(5);
    for (const { label, categoryId, score, box } of objects) {
      expect([
        ["disc", 7],
        ["square", 9],
      ]).toContainEqual([label, categoryId]);
      expect(score).toBeGreaterThan(0);
      const [x1, y1, x2, y2] = box;
      expect(0 <= x1 && x1 < x2 && x2 <= 80 && 0 <= y1 && y1 < y2 && y2 <= 60).toBe(true);
    }
    expect(rest).toMatchObject({ source: { height: 60, width: 80 }, input: { height: 64, width: 96 } });
    expect(rest.madds).toBeGreaterThan(0);
    expect(rest.openPaths).toBeGreaterThan(0);
    expect(Object.keys(rest).sort()).toEqual(["input", "madds", "ms", "openPaths", "source"]);
  });

  it("takes threshold and max", async () => {
    const { post } = await listening(shared());
    const counts = await Promise.all(
      ["?threshold=1", "?threshold=0&max=0", "?threshold=0&max=1"].map(async (query) => {
        const { objects } = (await (await post(picture, { query })).json()) as InferenceResult;
        return objects.length;
      }),
    );
    expect(counts).toEqual([0, 0, 1]);
  });

  it("takes JPEG, and forms", async () => {
    const { post, url } = await listening(shared());
    const jpeg = await drawPicture(80, 60, 0, "jpeg");
    expect((await post(jpeg, { headers: { "content-type": "image/jpeg" } })).status).toBe(200);
    const form = new FormData();
    form.set("note", "before the file");
    form.set("image", new Blob([picture]), "a.png");
    const answer = await fetch(`${url}/detect?threshold=0`, { method: "POST", body: form });
    const { objects } = (await answer.json()) as InferenceResult;
    const plain = (await (await post(picture, { query: "?threshold=0" })).json()) as InferenceResult;
    expect(objects).toEqual(plain.objects);
  });

  it("answers fifty at once as it answers one at a time, in batches", async () => {
    const { post, metrics } = await listening(shared());
    const pictures = await Promise.all(
      Array.from({ length: 50 }, (_, i) => (i % 3 === 0 ? drawPicture(60, 80, i) : drawPicture(80, 60, i))),
    );
    const query = "?threshold=0&max=10";
    const objectsOf = async (response: Response) => ((await response.json()) as InferenceResult).objects;
    const together = await Promise.all(pictures.map(async (image) => objectsOf(await post(image, { query }))));
    expect(await metrics.text()).toMatch(/^caddet_batch_images_bucket\{le="8"\} 50$/m);
    expect(await metrics.text()).not.toMatch(/^caddet_batch_images_sum 50$/m); // 50: each alone
    for (const [i, image] of pictures.entries()) {
      const alone = await objectsOf(await post(image, { query }));
      expect(together[i]!.map(({ label }) => label)).toEqual(alone.map(({ label }) => label));
      for (const [k, { box }] of alone.entries()) {
        for (const [c, v] of box.entries()) expect(together[i]![k]!.box[c]).toBeCloseTo(v, 2);
      }
    }
  });
});

describe("what is refused", () => {
  it.each([
    ["text", "hello", "image/png", 422, "image"],
    ["SVG", "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "image/svg+xml", 422, "image"],
    ["nothing", "", "image/png", 400, "no-image"],
    ["JSON", "{}", "application/json", 415, "content-type"],
    ["a form of another kind", "a=1", "application/x-www-form-urlencoded", 415, "content-type"],
    ["a form without a boundary", "a=1", "multipart/form-data", 400, "request"],
  ])("%s", async (_, body, type, status, code) => {
    const { post } = await listening(shared());
    expect(await problem(await post(body, { headers: { "content-type": type } }))).toEqual({ status, code });
  });

  it("no body at all, and a form without a file", async () => {
    const { url } = await listening(shared());
    expect(await problem(await fetch(`${url}/detect`, { method: "POST" }))).toEqual({ status: 400, code: "no-image" });
    const form = new FormData();
    form.set("image", "a word");
    const answer = await fetch(`${url}/detect`, { method: "POST", body: form });
    expect(await problem(answer)).toEqual({ status: 400, code: "no-image" });
  });

  it("an image that is cut", async () => {
    const { post } = await listening(shared());
    const noisy = await drawPicture(200, 200, 1, "jpeg");
    const answer = await post(noisy.subarray(0, noisy.length >> 1));
    expect(await problem(answer)).toEqual({ status: 422, code: "image" });
  });

  it.each([
    "?threshold=2",
    "?threshold=",
    "?threshold=abc",
    "?max=-1",
    "?max=1.5",
    "?max=1001",
    "?max=1&max=2",
    "?treshold=0.5",
  ])("the query %s", async (query) => {
    const { post } = await listening(shared());
    expect(await problem(await post(picture, { query }))).toEqual({ status: 400, code: "query" });
  });

  it.each(["/", "/detect/1", "/health/x", "/__proto__"])("the route %s", async (path) => {
    const { url } = await listening(shared());
    const answer = await fetch(url + path, { method: "POST", body: picture, headers: { "content-type": "image/png" } });
    expect(await problem(answer)).toEqual({ status: 404, code: "not-found" });
  });

  it("GET /detect", async () => {
    const { url } = await listening(shared());
    expect(await problem(await fetch(`${url}/detect`))).toEqual({ status: 404, code: "not-found" });
  });

  it("more bytes than allowed: announced, unannounced, in a form", async () => {
    const { url, app } = await listening(shared(), { maxBytes: 1000 });
    const announced = await raw(
      url,
      "POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: 9000000000\r\n\r\n",
    );
    expect(announced).toMatch(/^HTTP\/1.1 413 .*"too-large"/s);
    const chunked = await raw(
      url,
      `POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n800\r\n${"x".repeat(0x800)}\r\n`,
    );
    expect(chunked).toMatch(/^HTTP\/1.1 413 .*"too-large"/s);
    const form = [
      "--b",
      'content-disposition: form-data; name="image"; filename="a.png"',
      "",
      "x".repeat(5000),
      "--b--",
      "",
    ].join("\r\n");
    const inForm = await app.inject({
      method: "POST",
      url: "/detect",
      headers: { "content-type": "multipart/form-data; boundary=b" },
      payload: form,
    });
    expect([inForm.statusCode, inForm.json().error.code]).toEqual([413, "too-large"]);
  });

  it("takes as many bytes as allowed", async () => {
    const { post } = await listening(shared(), { maxBytes: picture.length });
    expect((await post(picture)).status).toBe(200);
  });

  it("more pixels than allowed, before they are decoded", async () => {
    const { inferencer, calls } = heldInferencer();
    const { post } = await listening(Promise.resolve(inferencer), { maxPixels: 80 * 60 - 1 });
    expect(await problem(await post(picture))).toEqual({ status: 413, code: "too-many-pixels" });
    expect(calls).toHaveLength(0);
  });

  it("hides what is its own fault", async () => {
    const { inferencer, calls } = heldInferencer();
    const { post } = await listening(Promise.resolve(inferencer));
    for (const error of [new Error("secret"), new CaddetError("config", "Secret."), "secret"]) {
      const answer = post(picture);
      await vi.waitFor(() => expect(calls).toHaveLength(1));
      calls.pop()!.fail(error);
      const text = await (await answer).text();
      expect(JSON.parse(text).error.code).toBe("internal");
      expect(text).not.toMatch(/secret/i);
    }
  });
});

describe("who waits", () => {
  it("is at most as many as the queue takes; others are told when to come again", async () => {
    const { inferencer, calls } = heldInferencer();
    const { post, url } = await listening(Promise.resolve(inferencer), { queue: 2 });
    const waiting = [post(picture), post(picture)];
    await vi.waitFor(() => expect(calls).toHaveLength(2));
    const refused = await post(picture);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(await problem(refused)).toEqual({ status: 503, code: "busy" });
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ ready: true, inFlight: 2 });
    for (const call of calls) call.answer();
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200]);
    await vi.waitFor(async () => expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ inFlight: 0 }));
    const next = post(picture);
    await vi.waitFor(() => expect(calls).toHaveLength(3));
    calls[2]!.answer();
    expect((await next).status).toBe(200);
  });

  it("is let go at the deadline, and the detector is told", async () => {
    const { inferencer, calls } = heldInferencer();
    const { post } = await listening(Promise.resolve(inferencer), { timeoutMs: 60 });
    const answer = await post(picture);
    expect(answer.headers.get("retry-after")).not.toBeNull();
    expect(await problem(answer)).toEqual({ status: 503, code: "timeout" });
    expect(calls[0]!.options.signal!.aborted).toBe(true);
  });

  it("is let go at the deadline while the image still comes", async () => {
    const { inferencer, calls } = heldInferencer();
    const { url } = await listening(Promise.resolve(inferencer), { timeoutMs: 60 });
    const text = await raw(
      url,
      "POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: 500\r\n\r\nhalf",
    );
    expect(text).toMatch(/^HTTP\/1.1 503 .*"timeout"/s);
    expect(calls).toHaveLength(0);
  });

  it("gives its place free when it goes away, and the detector is told", async () => {
    const { inferencer, calls } = heldInferencer();
    const { post, metrics } = await listening(Promise.resolve(inferencer), { queue: 1 });
    const controller = new AbortController();
    const gone = expect(post(picture, { signal: controller.signal })).rejects.toThrow();
    await vi.waitFor(() => expect(calls).toHaveLength(1));
    expect(calls[0]!.options.signal!.aborted).toBe(false);
    controller.abort();
    await gone;
    await vi.waitFor(() => expect(calls[0]!.options.signal!.aborted).toBe(true));
    expect(await metrics.text()).toMatch(/^caddet_in_flight 0$/m);
    await vi.waitFor(async () =>
      expect(await metrics.text()).toContain('caddet_requests_total{code="disconnected"} 1'),
    );
  });

  it("may go away in the middle of an image, and of a form", async () => {
    const { inferencer } = heldInferencer();
    const { url, metrics } = await listening(Promise.resolve(inferencer));
    const { port, hostname } = new URL(url);
    const types = ["image/png", "multipart/form-data; boundary=b"];
    const bodies = ["half", '--b\r\ncontent-disposition: form-data; name="i"; filename="a"\r\n\r\nhalf'];
    for (const [i, type] of types.entries()) {
      const socket = connect(Number(port), hostname, () =>
        socket.write(
          `POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ncontent-length: 500\r\n\r\n${bodies[i]}`,
        ),
      );
      await vi.waitFor(async () => expect(await metrics.text()).toMatch(/^caddet_in_flight 1$/m));
      socket.destroy();
      await vi.waitFor(async () => expect(await metrics.text()).toMatch(/^caddet_in_flight 0$/m));
    }
    await vi.waitFor(async () =>
      expect(await metrics.text()).toContain('caddet_requests_total{code="disconnected"} 2'),
    );
  });
});

describe("health and metrics", () => {
  it("is live before it is ready", async () => {
    const { inferencer } = heldInferencer();
    let load: (loaded: Inferencer<NodeImageInput>) => void = () => {};
    const loading = new Promise<Inferencer<NodeImageInput>>((resolve) => {
      load = resolve;
    });
    const { url, post } = await listening(loading);
    const early = await fetch(`${url}/health`);
    expect([early.status, await early.json()]).toMatchObject([503, { live: true, ready: false, engine: null }]);
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
    expect(await problem(await post(picture))).toEqual({ status: 503, code: "not-ready" });
    load(inferencer);
    await vi.waitFor(async () => expect((await fetch(`${url}/health`)).status).toBe(200));
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({
      ready: true,
      engine: "held",
      device: "nothing",
    });
  });

  it("counts", async () => {
    const { inferencer, calls } = heldInferencer();
    const { url, post } = await listening(Promise.resolve(inferencer));
    const answers = [post(picture), post(picture)];
    await vi.waitFor(() => expect(calls).toHaveLength(2));
    for (const call of calls) call.answer();
    await Promise.all(answers);
    await post("no image");
    await fetch(`${url}/nowhere`);
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
    const lines = (await response.text()).split("\n");
    expect(lines).toEqual(
      expect.arrayContaining([
        'caddet_requests_total{code="ok"} 2',
        'caddet_requests_total{code="image"} 1',
        'caddet_requests_total{code="not-found"} 1',
        "caddet_request_seconds_count 2",
        'caddet_request_seconds_bucket{le="+Inf"} 2',
        'caddet_batch_images_bucket{le="1"} 0',
        'caddet_batch_images_bucket{le="2"} 2',
        "caddet_madds_total 2000",
        "caddet_open_paths_total 6",
        "caddet_ready 1",
      ]),
    );
  });
});

describe("stop", () => {
  it("finishes what is in flight, refuses the rest, closes the detector", async () => {
    const held = heldInferencer();
    const { post, stop, url } = await listening(Promise.resolve(held.inferencer));
    const inFlight = post(picture);
    await vi.waitFor(() => expect(held.calls).toHaveLength(1));
    const stopped = stop();
    await vi.waitFor(() => expect(fetch(`${url}/health`)).rejects.toThrow());
    expect(held.isClosed()).toBe(false);
    held.calls[0]!.answer();
    const answer = await inFlight;
    expect([answer.status, answer.headers.get("connection")]).toEqual([200, "close"]);
    await stopped;
    expect(held.isClosed()).toBe(true);
    await stop(); // again
  });

  it("does not wait for a connection on which nothing comes", async () => {
    const held = heldInferencer();
    const { url, stop } = await listening(Promise.resolve(held.inferencer));
    const { port, hostname } = new URL(url);
    const idle = connect(Number(port), hostname);
    const hungUp = once(idle, "close");
    await once(idle, "connect");
    const started = performance.now();
    await stop();
    await hungUp;
    expect(performance.now() - started).toBeLessThan(1000); // the grace is 5 s
  });

  it("refuses what comes over a connection that was open", async () => {
    const held = heldInferencer();
    const { url, stop } = await listening(Promise.resolve(held.inferencer));
    const request = (body: string) =>
      `POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: ${picture.length}\r\n\r\n${body}`;
    const { port, hostname } = new URL(url);
    const socket = connect(Number(port), hostname);
    let text = "";
    const done = new Promise((resolve) => socket.on("data", (chunk) => (text += chunk)).on("close", resolve));
    socket.write(request(""));
    socket.write(picture);
    await vi.waitFor(() => expect(held.calls).toHaveLength(1));
    const stopped = stop();
    held.calls[0]!.answer();
    socket.write("GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
    await done;
    expect(text).toMatch(/^HTTP\/1.1 200 /);
    expect(text).not.toContain('"ready":true');
    await stopped;
  });

  it("aborts what takes longer than the grace", async () => {
    const held = heldInferencer();
    const { post, stop } = await listening(Promise.resolve(held.inferencer), { graceMs: 50 });
    const inFlight = post(picture);
    await vi.waitFor(() => expect(held.calls).toHaveLength(1));
    await stop();
    expect(await problem(await inFlight)).toEqual({ status: 503, code: "stopping" });
    expect(held.isClosed()).toBe(true);
  });

  it("cuts off who sends without end", async () => {
    const { inferencer } = heldInferencer();
    const { url, stop, metrics } = await listening(Promise.resolve(inferencer), { graceMs: 50 });
    const answer = raw(
      url,
      "POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: 500\r\n\r\n",
    );
    await vi.waitFor(async () => expect(await metrics.text()).toMatch(/^caddet_in_flight 1$/m));
    await stop();
    expect(await answer).toMatch(/^HTTP\/1.1 503 .*"stopping"/s);
  });
});
