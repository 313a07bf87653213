/** The built command, run as people run it. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { CLI, DIST, SERVERS } from "./servers.ts";

export { CLI, DIST };

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
  /** Whether it has a process of its own in any case. */
  readonly alone?: boolean;
}

/**
 * Runs a command: in the process of a server, or in one of its own where it needs that: for its standard input, options of Node, or
 * because a module changed that the server has loaded (`alone`).
 */
export function convnets(args: readonly string[], options: RunOptions = {}): Outcome {
  const { cwd = process.cwd(), env = {}, input, node = [], alone = input !== undefined || node.length > 0 } = options;
  // as without npm around it
  const variables = { ...process.env, npm_command: undefined, ...env };
  const served = alone ? undefined : serve({ args, cwd, env: variables });
  if (served) return served;
  const { error, stdout, stderr, status } = spawnSync(process.execPath, [...node, CLI, ...args], {
    ...{ encoding: "utf8", maxBuffer: 2 ** 26, env: variables, cwd },
    ...(input !== undefined && { input }),
  });
  if (error) throw error;
  return { stdout, stderr, status };
}

/** Asks a server that is free, if there is one. */
function serve(request: object): Outcome | undefined {
  const root = process.env[SERVERS];
  for (const name of root ? readdirSync(root) : []) {
    const at = (file: string) => join(root!, name, file);
    try {
      mkdirSync(at("taken"));
    } catch {
      continue;
    }
    for (const stream of ["stdout", "stderr"]) truncateSync(at(stream));
    writeFileSync(at("ask"), JSON.stringify(request));
    const status = Number(readFileSync(at("answer"), "utf8"));
    const outcome = { stdout: readFileSync(at("stdout"), "utf8"), stderr: readFileSync(at("stderr"), "utf8"), status };
    rmdirSync(at("taken"));
    return outcome;
  }
  return undefined;
}

/** What a command prints. Throws where it does not succeed. */
export function output(...args: string[]): string {
  const { stdout, stderr, status } = convnets(args);
  if (status !== 0) throw new Error(`convnets ${args.join(" ")} ended with ${status}:\n${stderr}`);
  return stdout;
}
