/** Tests of what may not be there are skipped with a reason, which reporter.ts prints at the end of the run. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

declare module "vitest" {
  interface TaskMeta {
    /** Why the test, or all of the group, is skipped. */
    skipped?: string;
  }
}

/**
 * Options of a test or a group that is skipped where there is a reason.
 *
 *     describe("against PyTorch", unless(pythonSkipReason("torch")), () => …);
 */
export function unless(reason: string | undefined) {
  return reason === undefined ? {} : { skip: true, meta: { skipped: reason } };
}

/** A file or folder beside the project, in ../shared; and the reason to skip where it is not there. */
export function shared(path: string): { path: string; reason: string | undefined } {
  const there = fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url));
  return { path: there, reason: existsSync(there) ? undefined : `there is no ../shared/${path} beside the project` };
}
