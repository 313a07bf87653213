/** Python as the reference: scripts with JSON or text in and out, skipped with a printed reason where a module is missing. */
import { spawnSync } from "node:child_process";

/** The interpreter; Debian's, which has python3-torch, unless the environment says otherwise. */
const PYTHON = process.env.PYTHON ?? "/usr/bin/python3";

export interface PythonOptions {
  /** Arguments, `sys.argv[1:]` in the script. */
  readonly args?: readonly string[];
  /** What the script reads from standard input. */
  readonly input?: string | Uint8Array;
}

/** Runs a script and returns what it prints. Throws with Python's traceback where it fails. */
export function python(script: string, { args = [], input = "" }: PythonOptions = {}): string {
  const { status, signal, error, stdout, stderr } = spawnSync(PYTHON, ["-c", script, ...args], {
    input,
    encoding: "utf8",
    maxBuffer: 2 ** 30,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${PYTHON} ended with ${status ?? signal}:\n${stderr}`);
  return stdout;
}

const reasons = new Map<string, string | undefined>();

/**
 * Why tests that need these Python modules must be skipped, printed as well; undefined where all of them are there.
 *
 *     const reason = pythonSkipReason("torch");
 *     describe.skipIf(reason !== undefined)("against PyTorch", () => …);
 */
export function pythonSkipReason(...modules: string[]): string | undefined {
  const key = modules.join(", ");
  if (!reasons.has(key)) {
    const { status, error, stderr } = spawnSync(PYTHON, ["-c", `import ${key || "sys"}`], { encoding: "utf8" });
    const cause = error?.message ?? stderr.trim().split("\n").at(-1);
    const reason = status === 0 ? undefined : `skipped: ${PYTHON} cannot import ${key} (${cause})`;
    if (reason) console.warn(reason);
    reasons.set(key, reason);
  }
  return reasons.get(key);
}
