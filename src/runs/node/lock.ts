import { readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";

/**
 * Locks a run's folder for this process by a file in it, and returns a function that unlocks it. Throws if another running process
 * holds the lock; the file of a process that was killed is ignored.
 */
export async function lock(path: string): Promise<() => Promise<void>> {
  const own = `${process.pid} ${hostname()}\n`;
  try {
    await writeFile(path, own, { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const [pid = "", host = ""] = (await readFile(path, "utf8")).trim().split(" ");
    if (host !== "" && (host !== hostname() || lives(Number(pid)))) {
      throw new Error(
        `another process (${pid} on ${host}) trains in this folder; wait for it or stop it, or remove ${path} if it is gone`,
        { cause: error },
      );
    }
    await writeFile(path, own);
  }
  return () => rm(path, { force: true });
}

function lives(pid: number): boolean {
  // in a restarted container, the same number may be our own
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
