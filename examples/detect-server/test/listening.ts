// A server on a free port of this machine for one test, stopped after it.
import type { Inferencer } from "@caddet/inferencer";
import type { NodeImageInput } from "@caddet/inferencer/node";
import { onTestFinished } from "vitest";
import { createServer, type DetectServer, type Limits } from "../src/server";

// Limits that no test reaches by chance.
const LIMITS: Limits = { queue: 64, maxBytes: 1e6, maxPixels: 1e6, timeoutMs: 30_000, graceMs: 5000 };

/** A server that listens. */
export interface Listening extends DetectServer {
  readonly url: string;
  /** Sends an image to `/detect`. */
  post(body: BodyInit, init?: RequestInit & { readonly query?: string }): Promise<Response>;
}

/** Starts one. */
export async function listening(
  inferencer: Promise<Inferencer<NodeImageInput>>,
  limits: Partial<Limits> = {},
): Promise<Listening> {
  const server = createServer({ inferencer, limits: { ...LIMITS, ...limits } });
  const url = await server.app.listen({ port: 0, host: "127.0.0.1" });
  onTestFinished(() => server.stop());
  return {
    ...server,
    url,
    post: (body, { query = "", ...init } = {}) =>
      fetch(`${url}/detect${query}`, { method: "POST", headers: { "content-type": "image/png" }, body, ...init }),
  };
}

/** What a failed request says, checked to have a code and a message. */
export async function problem(response: Response): Promise<{ readonly status: number; readonly code: string }> {
  const { error } = (await response.json()) as { error: { code: string; message: string } };
  if (!/^[A-Z\d].*\.$/s.test(error.message)) throw new Error(`"${error.message}" is no sentence.`);
  return { status: response.status, code: error.code };
}
