/** The reader's code. It is kept in this browser, and runs only when somebody clicks. */
import { signal } from "@preact/signals";
import { go, route } from "./route.ts";

/** The name of the network that the code makes, in the address. */
export const CODE = "code";

const NAME = "convnets-code";

function stored(): string | undefined {
  try {
    return localStorage.getItem(NAME) ?? undefined;
  } catch {
    return undefined;
  }
}

/** The code; undefined as long as it was not changed. */
export const code = signal<string | undefined>(stored());
/** How often code was started: 0 before the first click. */
export const runs = signal(0);
export const codeError = signal<{ readonly message: string; readonly line?: number | undefined } | undefined>(
  undefined,
);
/** Whether the code was changed since it ran. */
export const isStale = signal(true);

export function changeCode(text: string): void {
  code.value = text;
  isStale.value = true;
  try {
    localStorage.setItem(NAME, text);
  } catch {
    // without storage the code lives as long as the page
  }
}

/** Compiles the code and starts it in the sandbox; its network comes onto the stage. */
export async function runCode(text: string): Promise<void> {
  const { startCode } = await import("../sandbox/sandbox.ts");
  codeError.value = undefined;
  code.value = text;
  try {
    await startCode(text);
    isStale.value = false;
    runs.value++;
    if (route.peek().net !== CODE)
      go({
        net: CODE,
        variant: undefined,
        open: [],
        edits: [],
        selected: undefined,
        form: undefined,
        classes: undefined,
        side: undefined,
      });
  } catch (error) {
    const { message, line } = error as Error & { line?: number };
    codeError.value = { message, line };
  }
}

/** Milliseconds after which code that builds no network is stopped. */
const LIMIT = 15_000;

/** The result, or an error if the code takes too long: it is stopped then. */
export function inTime<T>(result: Promise<T>): Promise<T> {
  return Promise.race([
    result,
    new Promise<T>((_, failed) =>
      setTimeout(() => {
        import("../sandbox/sandbox.ts").then(({ stopCode }) => stopCode());
        failed(new Error(`the code did not build a network in ${LIMIT / 1000} seconds and was stopped`));
      }, LIMIT),
    ),
  ]);
}

/** The line of the code at which an error happened, from its stack. */
export function lineOf(error: Error, lines: number): number | undefined {
  for (const [, line] of (error.stack ?? "").matchAll(/blob:[^\s)]*?:(\d+):\d+/g)) {
    if (Number(line) <= lines) return Number(line);
  }
  return undefined;
}
