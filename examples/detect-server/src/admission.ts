// Who is let in: at most so many requests at once, each with a deadline. It gives every request a signal that says when nobody waits
// for its answer any more. It does not order them: batches are the inferencer's business.
import { EventEmitter, once } from "node:events";
import type { ServerResponse } from "node:http";
import { HttpError } from "./http-error";

/** Options of {@link createAdmission}. */
export interface AdmissionOptions {
  /** Most requests waiting or running, from 1. */
  readonly queue: number;
  /** From a request's headers to its answer, milliseconds. */
  readonly timeoutMs: number;
}

/** Lets requests in. */
export interface Admission {
  /** Requests waiting or running. */
  readonly inFlight: number;
  /**
   * Lets a request in until its response is closed.
   *
   * @returns aborted at the deadline, when the client goes away, and by `abortAll`
   * @throws HttpError `busy` where the queue is full
   */
  enter(response: ServerResponse): AbortSignal;
  /** Waits until nothing is in flight. */
  empty(): Promise<void>;
  /** Aborts whatever is in flight. */
  abortAll(reason: HttpError): void;
}

const MAX_RETRY_SECONDS = 60;

/**
 * Makes an admission.
 *
 * @param options bound and deadline
 * @returns an empty one
 */
export function createAdmission({ queue, timeoutMs }: AdmissionOptions): Admission {
  const inside = new Set<AbortController>();
  const leaving = new EventEmitter();
  // A moving mean of how long answers took: in about that time a place gets free.
  let seconds = 1;
  const retryAfter = () => Math.min(MAX_RETRY_SECONDS, Math.max(1, Math.ceil(seconds)));
  const disconnected = () => new HttpError("disconnected", 499, "The client went away.");

  return {
    get inFlight() {
      return inside.size;
    },
    enter: (response) => {
      if (response.destroyed) throw disconnected();
      if (inside.size >= queue) {
        throw new HttpError("busy", 503, `${queue} requests are waiting already. Try again later.`, retryAfter());
      }
      const started = performance.now();
      const controller = new AbortController();
      inside.add(controller);
      const late = () => {
        controller.abort(
          new HttpError("timeout", 503, `There was no answer within ${timeoutMs} ms. Try again later.`, retryAfter()),
        );
      };
      const timer = setTimeout(late, timeoutMs);
      response.once("close", () => {
        clearTimeout(timer);
        inside.delete(controller);
        if (response.writableFinished) seconds += 0.1 * ((performance.now() - started) / 1000 - seconds);
        else controller.abort(disconnected());
        if (inside.size === 0) leaving.emit("empty");
      });
      return controller.signal;
    },
    empty: async () => {
      if (inside.size > 0) await once(leaving, "empty");
    },
    abortAll: (reason) => {
      for (const controller of inside) controller.abort(reason);
    },
  };
}
