import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { LostLockError, lock } from "../../src/runs/node/lock.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-lock-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let count = 0;
const file = (text?: string) => {
  const path = join(folder, `lock${count++}`);
  if (text !== undefined) writeFileSync(path, text);
  return path;
};
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test("another host's lock is ignored once it has been silent; its process finds out before it writes", async () => {
  const notes: string[] = [];
  const path = file("123 elsewhere abc 7\n");
  const held = await lock(path, { beat: 20, silence: 60, onNote: (line) => notes.push(line) });
  expect(notes).toEqual([
    expect.stringContaining("A process on elsewhere (123) has locked this folder; waiting up to"),
  ]);
  expect(readFileSync(path, "utf8")).toMatch(new RegExp(`^${process.pid} ${hostname()} \\w{8} \\d+\n$`));
  await held.check();
  writeFileSync(path, "123 elsewhere abc 8\n");
  await expect(held.check()).rejects.toThrow(LostLockError);
  await expect(held.check()).rejects.toThrow("another process (123 on elsewhere) has taken over this folder");
  await sleep(50);
  await held.unlock();
  expect(readFileSync(path, "utf8")).toBe("123 elsewhere abc 8\n");
});

test("another host's lock that changes is held", async () => {
  const path = file("123 elsewhere abc 7\n");
  const waiting = lock(path, { beat: 50, silence: 10_000 });
  await sleep(30);
  writeFileSync(path, "123 elsewhere abc 8\n");
  await expect(waiting).rejects.toThrow(
    "another process (123 on elsewhere) trains in this folder; wait for it or stop it",
  );
});

test("signs of life; a lock that was removed comes back; unlocking removes it", async () => {
  const path = file();
  const held = await lock(path, { beat: 10 });
  const first = readFileSync(path, "utf8");
  await expect.poll(() => readFileSync(path, "utf8"), { timeout: 5000 }).not.toBe(first);
  rmSync(path);
  await expect.poll(() => existsSync(path), { timeout: 5000 }).toBe(true);
  await held.unlock();
  expect(existsSync(path)).toBe(false);
});

test("on this host, a process that does not run does not count", async () => {
  await expect(lock(file(`${process.ppid} ${hostname()}\n`), { patience: 100 })).rejects.toThrow(
    `(${process.ppid} on ${hostname()}) trains`,
  );
  const held = await lock(file(`${2 ** 22 + 1} ${hostname()}\n`));
  await held.unlock();
});

test("a process of this host that is about to end is waited for", async () => {
  const other = spawn(process.execPath, ["-e", "setTimeout(() => {}, 300)"]);
  const held = await lock(file(`${other.pid} ${hostname()}\n`), { patience: 20_000 });
  expect(other.exitCode).toBe(0);
  await held.unlock();
});
