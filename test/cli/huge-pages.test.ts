import { describe, expect, test } from "vitest";
import { askingForHugePages, useHugePages } from "../../src/cli/huge-pages.ts";

const MADVISE = "always [madvise] never\n";

describe("askingForHugePages", () => {
  test("adds glibc's setting to the environment", () => {
    expect(askingForHugePages({ HOME: "/home/me" }, MADVISE)).toEqual({
      HOME: "/home/me",
      GLIBC_TUNABLES: "glibc.malloc.hugetlb=1",
    });
  });

  test("keeps other settings of glibc", () => {
    const asked = askingForHugePages({ GLIBC_TUNABLES: "glibc.malloc.check=3" }, MADVISE);
    expect(asked?.GLIBC_TUNABLES).toBe("glibc.malloc.check=3:glibc.malloc.hugetlb=1");
  });

  test.each(["glibc.malloc.hugetlb=0", "glibc.malloc.check=3:glibc.malloc.hugetlb=1"])(
    "leaves %s as it is",
    (given) => {
      expect(askingForHugePages({ GLIBC_TUNABLES: given }, MADVISE)).toBeUndefined();
    },
  );

  test.each(["[always] madvise never\n", "always madvise [never]\n", ""])(
    "does nothing under the policy %j",
    (policy) => {
      expect(askingForHugePages({}, policy)).toBeUndefined();
    },
  );
});

describe.runIf(process.platform === "linux")("useHugePages", () => {
  /** The commands that a process of that kind is replaced by, as often as it is asked to. */
  function commands(times: number, { execve = true, channel = false } = {}): unknown[][] {
    const real = process as { execve?: unknown; send?: unknown };
    const before = { execve: real.execve, send: real.send, environment: process.env };
    const calls: unknown[][] = [];
    const replace = (...args: unknown[]) => {
      calls.push(args);
      process.env = { ...(args[2] as NodeJS.ProcessEnv) };
    };
    try {
      process.env = { HOME: "/home/me" };
      real.execve = execve ? replace : undefined;
      real.send = channel ? () => true : undefined;
      for (let i = 0; i < times; i++) useHugePages(MADVISE);
      return calls;
    } finally {
      process.env = before.environment;
      Object.assign(real, { execve: before.execve, send: before.send });
    }
  }

  test("starts the same command again, once", () => {
    const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
    const environment = { HOME: "/home/me", GLIBC_TUNABLES: "glibc.malloc.hugetlb=1" };
    expect(commands(2)).toEqual([[process.execPath, command, environment]]);
  });

  test("does nothing in versions of Node that cannot replace a process", () => {
    expect(commands(1, { execve: false })).toEqual([]);
  });

  test("does nothing where a channel to the parent would be lost", () => {
    expect(commands(1, { channel: true })).toEqual([]);
  });
});
