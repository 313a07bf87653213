/** The package as `npm pack` makes it, for tests of what users get. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly scripts: Readonly<Record<string, string>>;
}

export const manifest = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Manifest;

/** The package's entries, such as "convnets" and "convnets/nn". */
export const entries = Object.keys(manifest.exports)
  .filter((path) => path !== "./package.json")
  .map((path) => `convnets${path.slice(1)}`);

/** A folder that is removed after the test, or, outside of tests, when the process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "convnets-package-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    onTestFinished(remove);
  } catch {
    process.once("exit", remove);
  }
  return folder;
}

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; throws with what it printed if it fails. */
export function execute(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
): Finished {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: "utf8",
    shell: process.platform === "win32",
    ...options,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: exit status ${status}\n${stdout}\n${stderr}`);
  return { status, stdout, stderr };
}

/** What npm does before it packs: it builds, which `npm test` did, and then brings ONNX Runtime's files. */
const [BUILD, VENDOR = ""] = manifest.scripts.prepack!.split(" && ");

/**
 * Packs a copy of the repository with the present dist/, so that vendor/ never appears in the repository itself while other tests
 * run. `vendor: false` leaves out ONNX Runtime's files.
 */
export function pack({ vendor }: { vendor: boolean }): string {
  const copy = temporaryFolder();
  const skip = /^(node_modules|vendor|run|\..*)$/;
  for (const name of readdirSync(ROOT).filter((name) => !skip.test(name)))
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"), "junction");
  const env = { ...process.env, CONVNETS_VENDOR: "this", npm_config_loglevel: "error" };
  if (BUILD !== "npm run build") throw new Error(`before packing, npm does ${BUILD} instead of the build`);
  if (vendor) execute("npx", VENDOR.split(" "), { cwd: copy, env });
  execute("npm", ["pack", "--ignore-scripts"], { cwd: copy, env });
  return join(copy, readdirSync(copy).find((name) => name.endsWith(".tgz"))!);
}

/** A project folder in which the packed package is unpacked, with its dependencies and peers, as npm would install it. */
export function installed(tarball: string): string {
  const project = temporaryFolder();
  const target = join(project, "node_modules/convnets");
  mkdirSync(target, { recursive: true });
  execute("tar", ["xzf", tarball, "-C", target, "--strip-components=1"], { cwd: project });
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    mkdirSync(join(project, "node_modules", name, ".."), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", name), join(project, "node_modules", name), "junction");
  }
  return project;
}
