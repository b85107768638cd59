// Calls the command line in this process and keeps what it says.
import { createOutput, main } from "../src";

/** What a call gave. */
export interface Called {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** The last line of stdout, parsed. */
  json(): Record<string, unknown>;
}

/** Calls `caddet` with arguments. */
export async function call(...args: string[]): Promise<Called> {
  let out = "";
  let err = "";
  const output = createOutput(
    {
      write: (text: string) => {
        out += text;
      },
    },
    {
      write: (text: string) => {
        err += text;
      },
    },
  );
  const code = await main(args, output);
  return { code, out, err, json: () => JSON.parse(out.trimEnd().split("\n").at(-1)!) as Record<string, unknown> };
}

/** The error that a failed call ended with; the rest of stderr are remarks. Fails where it is not one error, or has a stack. */
export function errorOf({ code, err }: Called): string {
  const errors = err.split("\n").filter((line) => line.startsWith("error: "));
  if (code === 0 || errors.length !== 1 || /\n\s+at /.test(err)) {
    throw new Error(`expected a failure with one error and no stack, got exit code ${code} and:\n${err}`);
  }
  return err.slice(err.indexOf("error: ") + "error: ".length).trimEnd();
}
