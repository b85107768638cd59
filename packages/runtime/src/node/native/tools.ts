// The programs that a native install calls: npm, pip and a C++ compiler. What they cannot do becomes an error that says what to do.
import { execFile } from "node:child_process";
import { RuntimeError } from "../../errors";

/** How a program is called. */
export interface ToolOptions {
  readonly cwd?: string;
  readonly signal?: AbortSignal | undefined;
}

/** What a program printed. */
export interface ToolOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/** A failure of an install, with a hint. */
export function installError(message: string, hint: string, cause?: unknown): RuntimeError {
  return new RuntimeError("install-failed", `${message} ${hint}`, { hint, cause });
}

/** Why a program failed: it is not there, or it ended badly, with the end of what it said. */
export class ToolError extends Error {
  override readonly name = "ToolError";

  constructor(
    message: string,
    /** Whether there is no such program. */
    readonly missing: boolean,
    options: ErrorOptions,
  ) {
    super(message, options);
  }
}

const LAST_LINES = 4;

/** Runs a program to its end; throws {@link ToolError}, or the signal's reason. */
export function runTool(
  command: string,
  args: readonly string[],
  { cwd, signal }: ToolOptions = {},
): Promise<ToolOutput> {
  return new Promise((resolve, reject) => {
    const options = { cwd, signal, maxBuffer: 2 ** 26 };
    execFile(command, args, options, (cause, stdout, stderr) => {
      if (!cause) resolve({ stdout, stderr });
      else if (signal?.aborted) reject(signal.reason);
      else {
        const missing = cause.code === ("ENOENT" as unknown);
        const said = (stderr || stdout).trim().split("\n").slice(-LAST_LINES).join(" ").trim();
        const message = missing ? `${command} was not found` : `${command} failed: ${said || cause.message}`;
        reject(new ToolError(message, missing, { cause }));
      }
    });
  });
}

/** The first of some programs that answers to `--version`; undefined where none does. */
export async function firstTool(commands: readonly string[], options: ToolOptions = {}): Promise<string | undefined> {
  for (const command of commands) {
    try {
      await runTool(command, ["--version"], options);
      return command;
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
    }
  }
  return undefined;
}
