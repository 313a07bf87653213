import { randomUUID } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { writeAtomically } from "../../checkpoint/node/index.ts";

/** A folder that is this process's own. */
export interface Lock {
  /** Throws a LostLockError if another process has taken the folder over: then nothing may be written there any more. */
  check(): Promise<void>;
  unlock(): Promise<void>;
}

/** Another process has taken the folder over, as this one gave no sign of life for long. */
export class LostLockError extends Error {
  override name = "LostLockError";
}

/** Options of `lock`. */
export interface LockOptions {
  /** ms between signs of life. */
  readonly beat?: number;
  /** ms without one after which a process on another host counts as gone. */
  readonly silence?: number;
  /** ms that a running process on this host has to end: MPI's launcher returns before the last of its ranks is gone. */
  readonly patience?: number;
  /** Called before it waits to see whether another process is gone. */
  readonly onNote?: ((line: string) => void) | undefined;
}

/**
 * Locks a run's folder for this process by a file in it, which changes every few seconds. Throws if another running process holds the
 * lock and does not end soon. The file of a process that was killed is ignored; on another host, a process counts as killed if its file has
 * not changed for a minute. Should it come back, it finds out before it writes.
 */
export async function lock(
  path: string,
  { beat = 5000, silence = 60_000, patience = 6000, onNote = () => {} }: LockOptions = {},
): Promise<Lock> {
  const id = randomUUID().slice(0, 8);
  let beats = 0;
  const text = () => `${process.pid} ${hostname()} ${id} ${beats}\n`;
  try {
    await writeFile(path, text(), { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    await checkGone(path, { beat, silence, patience, onNote });
    await writeAtomically(path, text());
  }

  let lost: LostLockError | undefined;
  const check = async () => {
    if (lost) throw lost;
    const now = await holder(path);
    if (now?.id === id) return;
    // somebody removed it, and nobody has it yet
    if (!now) return writeFile(path, text(), { flag: "wx" });
    lost = new LostLockError(
      `another process (${now.pid} on ${now.host}) has taken over this folder, since this one gave no sign of life for long; it stops and writes nothing more (${path})`,
    );
    throw lost;
  };
  let beating: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    beating = beating
      .then(check)
      .then(() => {
        beats++;
        return writeAtomically(path, text());
      })
      // who trains learns it from its next check
      .catch(() => {});
  }, beat);
  timer.unref();
  return {
    check,
    async unlock() {
      clearInterval(timer);
      await beating;
      if ((await holder(path))?.id === id) await rm(path, { force: true });
    },
  };
}

/** Throws if the process that holds a lock lives; waits if that takes a while to see. */
async function checkGone(path: string, { beat, silence, patience, onNote }: Required<LockOptions>): Promise<void> {
  const first = await holder(path);
  if (!first) return;
  const { pid, host } = first;
  const lives = new Error(
    `another process (${pid} on ${host}) trains in this folder; wait for it or stop it, or remove ${path} if it is gone`,
  );
  if (host === hostname()) {
    const since = performance.now();
    if (isRunning(Number(pid)))
      onNote?.(`Process ${pid} has locked this folder; waiting up to ${Math.ceil(patience / 1000)} s for it to end.`);
    while (isRunning(Number(pid))) {
      if (performance.now() - since >= patience) throw lives;
      await sleep(Math.min(50, patience));
    }
    return;
  }
  onNote?.(
    `A process on ${host} (${pid}) has locked this folder; waiting up to ${Math.ceil(silence / 1000)} s for a sign of life.`,
  );
  const since = performance.now();
  while (performance.now() - since < silence) {
    await sleep(Math.min(beat / 5, silence));
    const now = await holder(path);
    if (!now) return;
    if (now.text !== first.text) throw lives;
  }
}

/** Who holds a lock; undefined where nobody does. */
async function holder(path: string) {
  // it is opened anew each time: network file systems ask their server then
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const [pid = "", host, id] = text.trim().split(" ");
  return host === undefined ? undefined : { pid, host, id, text };
}

function isRunning(pid: number): boolean {
  // in a restarted container, the same number may be our own
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
