// What a client is told when a request fails: a status, a stable code, a sentence. It knows of errors, not of routes.
import { CaddetError, DatasetError } from "@caddet/core";

/** The codes of a failed request. */
export type ProblemCode =
  | "busy"
  | "content-type"
  | "disconnected"
  | "image"
  | "internal"
  | "no-image"
  | "not-found"
  | "not-ready"
  | "query"
  | "request"
  | "stopping"
  | "timeout"
  | "too-large"
  | "too-many-pixels";

/** A failed request, as the client sees it. */
export interface Problem {
  readonly status: number;
  readonly code: ProblemCode;
  readonly message: string;
  /** Seconds after which to try again. */
  readonly retryAfter?: number;
}

/** An error that is meant for the client. */
export class HttpError extends CaddetError {
  readonly problem: Problem;

  constructor(code: ProblemCode, status: number, message: string, retryAfter?: number) {
    super(code, message);
    this.problem = { code, status, message, ...(retryAfter === undefined ? {} : { retryAfter }) };
  }
}

interface FromFastify {
  readonly code?: string;
  readonly statusCode?: number;
  readonly message: string;
  readonly validation?: unknown;
}

// Fastify's own errors of 400 to 499 speak of what the client sent; others, and what else is thrown, stay in the log.
function fastifyProblem(error: FromFastify): Problem | undefined {
  const { code, statusCode = 500, message } = error;
  if (error.validation) {
    const known = "Known are threshold, from 0 to 1, and max, an integer from 0 to 1000.";
    return { status: 400, code: "query", message: `The query cannot be used: ${message}. ${known}` };
  }
  if (code === "FST_ERR_CTP_INVALID_MEDIA_TYPE") {
    return { status: 415, code: "content-type", message: "Send an image as image/* or multipart/form-data." };
  }
  return statusCode >= 400 && statusCode < 500 ? { status: statusCode, code: "request", message } : undefined;
}

/**
 * Says what a client is told of an error.
 *
 * @param error what was thrown
 * @returns status, code and message; of what is the server's own fault the message tells nothing
 */
export function problemOf(error: unknown): Problem {
  if (error instanceof HttpError) return error.problem;
  if (error instanceof DatasetError) {
    const message = error.message.replace(/^the/, "The");
    return { status: 422, code: "image", message };
  }
  if (error instanceof CaddetError && error.code === "closed") {
    return { status: 503, code: "stopping", message: "The server is stopping.", retryAfter: 1 };
  }
  const internal: Problem = { status: 500, code: "internal", message: "The server failed; its log says why." };
  return error instanceof CaddetError || !(error instanceof Error) ? internal : (fastifyProblem(error) ?? internal);
}
