import { readFileSync } from "node:fs";

/** glibc's setting to ask for huge pages, from version 2.35 on. Other C libraries ignore the variable. */
const VARIABLE = "GLIBC_TUNABLES";
const SETTING = "glibc.malloc.hugetlb";

/** How Linux hands out huge pages: "always", "madvise" (to programs that ask) or "never", with the current one in brackets. */
const POLICY = "/sys/kernel/mm/transparent_hugepage/enabled";

type Environment = Readonly<Record<string, string | undefined>>;

/** The environment in which glibc asks for huge pages; undefined where that is settled, or changes nothing. */
export function askingForHugePages(environment: Environment, policy: string): Environment | undefined {
  const given = environment[VARIABLE];
  if (!policy.includes("[madvise]") || given?.includes(SETTING)) return undefined;
  return { ...environment, [VARIABLE]: [...(given ? [given] : []), `${SETTING}=1`].join(":") };
}

function currentPolicy(): string {
  try {
    return readFileSync(POLICY, "utf8");
  } catch {
    return "";
  }
}

/**
 * Replaces this process by itself, with memory in huge pages: tensors are large, and with pages of 4 KiB the processor
 * spends time on looking up where they are. glibc reads its settings only when a process starts.
 *
 * Does nothing where Node cannot do that (before 22.15, and on Windows), and in processes with a channel to their parent, which would be lost.
 */
export function useHugePages(policy = currentPolicy()): void {
  const { execve } = process as { execve?: (file: string, args: readonly string[], environment: Environment) => never };
  if (process.platform !== "linux" || !execve || process.send) return;
  const environment = askingForHugePages(process.env, policy);
  if (environment)
    execve(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], environment);
}
