/** Prints at the end of a run what was skipped, for each reason the number of tests, and which tests `npm test` leaves out. */
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from "vitest/node";

const UNKNOWN = "no reason given";
const SYSTEM =
  "the tests of the system (kills, ranks under mpirun, trainings beside PyTorch and in the studio, the installed package, the tutorial and the examples): npm run test:system";

function reasonOf(test: TestCase): string {
  const result = test.result();
  if (result.state === "skipped" && result.note) return result.note;
  for (let at: TestCase | TestSuite | TestModule = test; at.type !== "module"; at = at.parent) {
    const { skipped } = at.meta();
    if (skipped) return skipped;
  }
  return UNKNOWN;
}

export default class SkippedReporter implements Reporter {
  #filtered = false;
  #leavesOut = false;

  onInit({ config, projects }: Vitest): void {
    this.#filtered = config.testNamePattern !== undefined;
    this.#leavesOut = projects.length > 1 && projects.every(({ name }) => name !== "system");
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = new Map<string, number>();
    for (const module of modules) {
      for (const test of module.children.allTests("skipped")) {
        const reason = reasonOf(test);
        // left out by -t
        if (reason === UNKNOWN && this.#filtered) continue;
        counts.set(reason, (counts.get(reason) ?? 0) + 1);
      }
    }
    if (counts.size > 0) console.log("\nSkipped:");
    const rows = [...counts].sort(([, a], [, b]) => b - a);
    for (const [reason, count] of rows) {
      console.log(`${String(count).padStart(6)} ${count === 1 ? "test " : "tests"}  ${reason}`);
    }
    if (this.#leavesOut) console.log(`\nLeft out: ${SYSTEM}`);
  }
}
