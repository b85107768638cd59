// The errors of this package. It imports no other @caddet package, so they do not extend `CaddetError`, but carry the same
// two things: a code to test for, and a message with what was got, what was expected and what to do.

/** What went wrong, for `switch`. */
export type RuntimeErrorCode =
  | "backend-unavailable"
  | "backend-unknown"
  | "backend-wrong"
  | "install-failed"
  | "kernel-unsupported"
  | "kernel-input"
  | "simd-missing";

/** What a program, or a user, needs to react to an error. */
export interface RuntimeErrorDetails {
  /** The backend that was asked for. */
  readonly backend?: string;
  /** What to install or change, a sentence. */
  readonly hint?: string;
}

/**
 * An error of `@caddet/runtime`.
 *
 * @example
 * ```ts
 * try {
 *   await prepareBackend({ backend: "tfjs-node" });
 * } catch (error) {
 *   if (error instanceof RuntimeError && error.code === "backend-unavailable") process.stderr.write(`${error.hint}\n`);
 * }
 * ```
 */
export class RuntimeError extends Error {
  override readonly name = "RuntimeError";
  readonly backend: string | undefined;
  readonly hint: string | undefined;

  /**
   * @param code what went wrong
   * @param message what was got, what was expected, what to do
   * @param details the backend and the hint; `cause` is the error behind this one
   */
  constructor(
    readonly code: RuntimeErrorCode,
    message: string,
    details: RuntimeErrorDetails & ErrorOptions = {},
  ) {
    super(message, "cause" in details ? { cause: details.cause } : undefined);
    this.backend = details.backend;
    this.hint = details.hint;
  }
}
