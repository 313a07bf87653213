// Installs the dependencies where they are missing or older than the lock file, so that a fresh clone needs no step of its own.
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";

const lock = new URL("../package-lock.json", import.meta.url);
const installed = new URL("../node_modules/.package-lock.json", import.meta.url);
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
  console.error("Installing dependencies…");
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], {
    cwd: new URL("..", import.meta.url),
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (status !== 0) process.exit(status ?? 1);
}
