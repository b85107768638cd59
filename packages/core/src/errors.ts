// The errors of all @caddet packages. Each carries a stable `code` and the values that a program needs to react;
// the message says what was got, what was expected and what to do.

/** Values that explain an error to a program: file names, image ids, shapes. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/** The base of every error that a @caddet package throws on purpose. */
export class CaddetError extends Error {
  readonly code: string;
  readonly details: ErrorDetails;

  constructor(code: string, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }
}

/** A tensor or array has another shape, rank or length than the operation needs. */
export class ShapeError extends CaddetError {
  constructor(message: string, details?: ErrorDetails) {
    super("shape", message, details);
  }
}

/** A configuration is unknown, incomplete or contradicts itself. */
export class ConfigError extends CaddetError {
  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super("config", message, details, options);
  }
}

/** A data set, annotation file or image cannot be used. */
export class DatasetError extends CaddetError {
  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super("dataset", message, details, options);
  }
}

/** A checkpoint or weight file is broken or belongs to another model. */
export class CheckpointError extends CaddetError {
  constructor(message: string, details?: ErrorDetails, options?: ErrorOptions) {
    super("checkpoint", message, details, options);
  }
}

/** A loss or a gradient is NaN or infinite. */
export class NonFiniteError extends CaddetError {
  constructor(message: string, details?: ErrorDetails) {
    super("non-finite", message, details);
  }
}
