/** Starts a process of each Python that runs the scripts of all tests in forks of itself; see fork.py. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { INTERPRETERS, SOCKETS } from "./python.ts";

const SERVER = fileURLToPath(new URL("fork.py", import.meta.url));

export default async function pythons(): Promise<(() => Promise<void>) | undefined> {
  // elsewhere, a fork of a process with threads may not go on
  if (process.platform !== "linux") return undefined;
  const folder = mkdtempSync(join(tmpdir(), "convnets-python-"));
  const started: ChildProcess[] = [];
  for (const [i, path] of INTERPRETERS.entries()) {
    if (!existsSync(path)) continue;
    const server = spawn(path, ["-W", "ignore", SERVER, join(folder, String(i))], {
      stdio: ["pipe", "pipe", "inherit"],
      // two tests run at once, and threads that wait actively would slow each other down
      env: { ...process.env, OMP_NUM_THREADS: "1", OMP_WAIT_POLICY: "PASSIVE" },
    });
    started.push(server);
    await Promise.race([once(server.stdout, "data"), once(server, "exit")]);
  }
  process.env[SOCKETS] = folder;
  return async () => {
    delete process.env[SOCKETS];
    for (const server of started) server.stdin!.end();
    await Promise.all(started.map((server) => server.exitCode ?? once(server, "exit")));
    rmSync(folder, { recursive: true });
  };
}
