import { describe, it } from "vitest";
import { unless } from "../support/skip.ts";
import { type Case, SUITE } from "./suite.ts";

/** Milliseconds for one case. GPUs that are processors in truth take long to compile their shaders. */
const TIMEOUT = 180_000;

/** One test for each case of the suite. `run` says why it skipped, if it did; `reason` skips all of them; `cases` are all by default. */
export function conform(
  engine: string,
  run: (conformance: Case) => Promise<string | undefined>,
  { reason, cases = SUITE }: { reason?: string | undefined; cases?: readonly Case[] } = {},
): void {
  describe(engine, unless(reason), () => {
    for (const conformance of cases) {
      it(
        conformance.name,
        async (context) => {
          const skipped = await run(conformance);
          if (skipped) context.skip(skipped);
        },
        TIMEOUT,
      );
    }
  });
}
