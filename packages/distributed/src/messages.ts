// What a replica is told and what it answers. Errors travel as plain data: cloning them would lose their class and fields.
import { CaddetError, type ErrorDetails } from "@caddet/core";
import type { CollectiveMemory } from "./collective-memory";
import { CollectiveError, type CollectiveFailure } from "./errors";

/** What a thread is started with. */
export interface ReplicaOrder {
  readonly caddetReplica: { readonly memory: CollectiveMemory; readonly rank: number; readonly timeoutMs: number };
  readonly data: unknown;
}

/** An error as plain data. */
export interface SentError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  readonly code?: string;
  /** As JSON. */
  readonly details?: string;
}

/** What a thread answers, once. */
export type ReplicaAnswer =
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "error"; readonly error: SentError };

/** Makes an error fit for a message. */
export function sendError(thrown: unknown): SentError {
  const { name, message, stack = "" } = thrown instanceof Error ? thrown : new Error(String(thrown));
  if (!(thrown instanceof CaddetError)) return { name, message, stack };
  return { name, message, stack, code: thrown.code, details: JSON.stringify(thrown.details) };
}

/** Takes an error out of a message: a CollectiveError, a CaddetError with its code and details, or an Error of the same name. */
export function receiveError({ name, message, stack, code, details = "{}" }: SentError): Error {
  const fields = JSON.parse(details) as ErrorDetails;
  if (code === "collective") {
    return Object.assign(new CollectiveError(fields.reason as CollectiveFailure, message, fields), { stack });
  }
  const error = code === undefined ? new Error(message) : new CaddetError(code, message, fields);
  return Object.assign(error, { name, stack });
}
