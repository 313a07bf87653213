/** Starts processes that run the commands of all tests; see server.mjs. */
import { spawn, spawnSync } from "node:child_process";
import { constants, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";

export const DIST = fileURLToPath(new URL("../../dist/bundle", import.meta.url));
export const CLI = join(DIST, "cli/main.js");

/** Environment variable with the folder that has a folder for each server. */
export const SERVERS = "CONVNETS_SERVERS";

const SERVER = fileURLToPath(new URL("server.mjs", import.meta.url));

export default function servers({ vitest }: TestProject): (() => void) | undefined {
  // named pipes; on other systems every command is a process
  if (process.platform !== "linux" || !existsSync(CLI)) return undefined;
  const root = mkdtempSync(join(tmpdir(), "convnets-servers-"));
  const started = Array.from({ length: vitest.config.maxWorkers }, (_, i) => start(join(root, `${i}`)));
  process.env[SERVERS] = root;
  return () => {
    delete process.env[SERVERS];
    for (const server of started) server.removeAllListeners().kill("SIGKILL");
    rmSync(root, { recursive: true });
  };
}

function start(folder: string) {
  mkdirSync(folder);
  spawnSync("mkfifo", ["ask", "answer"], { cwd: folder });
  const [stdout, stderr] = ["stdout", "stderr"].map((name) => openSync(join(folder, name), "a")) as [number, number];
  const server = spawn(process.execPath, [SERVER, CLI, folder], { stdio: ["pipe", stdout, stderr] });
  return server.once("exit", (code, signal) => {
    // the test that waits, if there is one, learns of it; the next one finds no server here
    try {
      writeFileSync(openSync(join(folder, "answer"), constants.O_WRONLY | constants.O_NONBLOCK), `${code ?? signal}`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
