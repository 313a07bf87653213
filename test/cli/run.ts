/** The built command, run as people run it. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const DIST = fileURLToPath(new URL("../../dist", import.meta.url));
export const CLI = join(DIST, "cli/main.js");

for (const folder of ["cli", "summary", "models", "nn"]) {
  const source = fileURLToPath(new URL(`../../src/${folder}`, import.meta.url));
  const built = existsSync(CLI) ? statSync(CLI).mtimeMs : 0;
  if (readdirSync(source).some((file) => statSync(join(source, file)).mtimeMs > built))
    throw new Error(`src/${folder} is newer than what was built of it; run npm run build`);
}

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What it reads from standard input. */
  readonly input?: Uint8Array;
  /** Arguments for Node itself. */
  readonly node?: readonly string[];
}

export function convnets(args: readonly string[], { cwd, env = {}, input, node = [] }: RunOptions = {}): Outcome {
  const { error, stdout, stderr, status } = spawnSync(process.execPath, [...node, CLI, ...args], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
    // as without npm around it
    env: { ...process.env, npm_command: undefined, ...env },
    ...(cwd !== undefined && { cwd }),
    ...(input !== undefined && { input }),
  });
  if (error) throw error;
  return { stdout, stderr, status };
}

/** What a command prints. Throws where it does not succeed. */
export function output(...args: string[]): string {
  const { stdout, stderr, status } = convnets(args);
  if (status !== 0) throw new Error(`convnets ${args.join(" ")} ended with ${status}:\n${stderr}`);
  return stdout;
}
