// The HTTP side of a detector: routes, limits, and how it stops. It takes an inferencer that is on its way, and knows neither files nor
// flags. Batches are made by the inferencer from the calls that wait at the same time.

import type { InferenceResult, Inferencer } from "@caddet/inferencer";
import { type NodeImageInput, openImage } from "@caddet/inferencer/node";
import multipart from "@fastify/multipart";
import fastify, { type FastifyInstance } from "fastify";
import { type AdmissionOptions, createAdmission } from "./admission";
import { HttpError, problemOf } from "./http-error";
import { createMetrics, type Metrics } from "./metrics";
import { readImage } from "./read-image";

/** What the server allows. */
export interface Limits extends AdmissionOptions {
  /** Most bytes of an image file. */
  readonly maxBytes: number;
  /** Most pixels of an image. */
  readonly maxPixels: number;
  /** How long a stop waits for what is in flight, milliseconds. */
  readonly graceMs: number;
}

/** Options of {@link createServer}. */
export interface ServerOptions {
  /** Until it is there, requests are told to come again. The server closes it. */
  readonly inferencer: Promise<Inferencer<NodeImageInput>>;
  readonly limits: Limits;
  /** Level of the log on stdout. Default "silent". */
  readonly logLevel?: string;
}

/** A server; `app.listen()` starts it. */
export interface DetectServer {
  readonly app: FastifyInstance;
  readonly metrics: Metrics;
  /** Accepts nothing new, waits for what is in flight, aborts what takes longer than the grace, closes the inferencer. */
  stop(): Promise<void>;
}

interface DetectQuery {
  readonly threshold?: number;
  readonly max?: number;
}

const QUERY_SCHEMA = {
  type: "object",
  additionalProperties: false,
  properties: {
    threshold: { type: "number", minimum: 0, maximum: 1 },
    max: { type: "integer", minimum: 0, maximum: 1000 },
  },
} as const;

// A client that sends more slowly than this is cut off, milliseconds.
const SLOWEST_UPLOAD = 60_000;

const answerOf = ({ objects, source, input, madds, openPaths, ms }: InferenceResult) => ({
  objects,
  source,
  input,
  madds: madds ?? null,
  openPaths: openPaths ?? null,
  ms,
});

async function openChecked(bytes: Buffer, maxPixels: number) {
  const source = await openImage(bytes);
  const { height, width } = source;
  if (height * width <= maxPixels) return source;
  throw new HttpError(
    "too-many-pixels",
    413,
    `The image has ${height} x ${width} pixels, allowed are ${maxPixels} in all. Send a smaller one.`,
  );
}

/**
 * Makes a server.
 *
 * @param options inferencer and limits
 * @returns the server, not yet listening
 * @example await createServer({ inferencer: createDetector({ run: "runs/demo" }), limits }).app.listen({ port: 8080 })
 */
export function createServer({ inferencer, limits, logLevel = "silent" }: ServerOptions): DetectServer {
  let ready: Inferencer<NodeImageInput> | undefined;
  let stopped: Promise<void> | undefined;
  const admission = createAdmission(limits);
  const metrics = createMetrics({ inFlight: () => admission.inFlight, ready: () => isReady() });
  const isReady = () => ready !== undefined && stopped === undefined;
  const stopping = () => new HttpError("stopping", 503, "The server is stopping.", 1);
  // A failed load is the caller's to report; requests are told "not-ready" until then.
  inferencer.then(
    (loaded) => {
      ready = loaded;
    },
    () => {},
  );

  const app = fastify({
    logger: { level: logLevel },
    requestTimeout: SLOWEST_UPLOAD,
    return503OnClosing: false,
    ajv: { customOptions: { removeAdditional: false } },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(/^image\/[\w.+-]+/, (_request, payload, done) => done(null, payload));
  // One byte more than allowed, so that the reader sees it and says so.
  app.register(multipart, { limits: { fileSize: limits.maxBytes + 1, files: 1, fields: 8, parts: 9 } });

  app.setErrorHandler((error, request, reply) => {
    const { status, code, message, retryAfter } = problemOf(error);
    metrics.failed(code);
    if (status === 500) request.log.error(error);
    if (retryAfter !== undefined) reply.header("retry-after", retryAfter);
    // What the client still sends is not read to its end.
    if (code === "too-large" || code === "timeout") reply.header("connection", "close");
    return reply.code(status).send({ error: { code, message } });
  });
  app.setNotFoundHandler(() => {
    throw new HttpError("not-found", 404, "There are POST /detect, GET /health and GET /metrics.");
  });
  app.addHook("onSend", async (_request, reply) => {
    if (stopped) reply.header("connection", "close");
  });

  app.post<{ Querystring: DetectQuery }>(
    "/detect",
    { schema: { querystring: QUERY_SCHEMA } },
    async (request, reply) => {
      const started = performance.now();
      if (stopped) throw stopping();
      if (!ready) throw new HttpError("not-ready", 503, "The model is being loaded. Try again later.", 1);
      const { threshold, max } = request.query;
      const signal = admission.enter(reply.raw);
      const bytes = await readImage(request, { maxBytes: limits.maxBytes, signal });
      const source = await openChecked(bytes, limits.maxPixels);
      const result = await ready.detect(source, {
        ...(threshold === undefined ? {} : { threshold }),
        ...(max === undefined ? {} : { maxDetections: max }),
        signal,
      });
      metrics.answered(result, (performance.now() - started) / 1000);
      return answerOf(result);
    },
  );
  app.get("/health", (_request, reply) =>
    reply.code(isReady() ? 200 : 503).send({
      live: true,
      ready: isReady(),
      engine: ready?.engine ?? null,
      device: ready?.device ?? null,
      inFlight: admission.inFlight,
    }),
  );
  app.get("/health/live", (_request, reply) => reply.send({ live: true }));
  app.get("/metrics", async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()));

  const finish = async () => {
    const cutOff = setTimeout(() => admission.abortAll(stopping()), limits.graceMs);
    // Answers to what was aborted need a moment to leave; who does not even read them is cut off.
    const hangUp = setTimeout(() => app.server.closeAllConnections(), limits.graceMs + 1000);
    const closed = app.close();
    await admission.empty();
    clearTimeout(cutOff);
    clearTimeout(hangUp);
    // Connections on which no request ever came would hold the server open.
    app.server.closeAllConnections();
    await closed;
    await (await inferencer.catch(() => undefined))?.close();
  };
  return {
    app,
    metrics,
    stop: () => {
      stopped ??= finish();
      return stopped;
    },
  };
}
