// A local HTTP server whose answers a test decides one by one.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** Answers one request. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface ArchiveServer {
  readonly url: string;
  /** `Range` of each request so far, or "all". */
  readonly ranges: string[];
  close(): Promise<void>;
}

/** Starts a server: the n-th request gets the n-th answer, those after the last one the last. */
export async function serve(...answers: Answer[]): Promise<ArchiveServer> {
  const ranges: string[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range ?? "all");
    answers[Math.min(ranges.length, answers.length) - 1]!(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    ranges,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export interface ContentOptions {
  /** Null sends none. Default `"v1"`. */
  readonly etag?: string | null;
  /** Whether ranges are served. Default true. */
  readonly ranges?: boolean;
  /** Whether the length is told. Default true. */
  readonly length?: boolean;
  /** Ends the connection after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Stops sending after so many bytes and leaves the connection open. */
  readonly stallAfter?: number;
}

/** Serves `bytes` as a good server does, apart from what the options break. */
export function content(bytes: Uint8Array, options: ContentOptions = {}): Answer {
  const { etag = '"v1"', ranges = true, length = true, cutAfter, stallAfter } = options;
  return (request, response) => {
    const { range, "if-range": ifRange } = request.headers;
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    const partial = ranges && from > 0 && (ifRange === undefined || ifRange === etag);
    const body = partial ? bytes.subarray(from) : bytes;
    if (etag !== null) response.setHeader("etag", etag);
    if (length) response.setHeader("content-length", body.length);
    if (partial) response.setHeader("content-range", `bytes ${from}-${bytes.length - 1}/${bytes.length}`);
    response.writeHead(partial ? 206 : 200);
    if (cutAfter !== undefined)
      response.write(body.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 20));
    else if (stallAfter !== undefined) response.write(body.subarray(0, stallAfter));
    else response.end(body);
  };
}

/** Answers with a status alone. */
export function status(code: number, headers: Record<string, string> = {}): Answer {
  return (_, response) => {
    response.writeHead(code, headers);
    response.end();
  };
}
