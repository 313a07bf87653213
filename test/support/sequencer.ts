/**
 * Starts the files that take longest first, so that both workers are busy until the end. vitest runs one project after the other
 * otherwise, and knows how long files take only from an earlier run.
 */
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take more than ten seconds, and their seconds of processor time: measured, and only their order matters. */
export const LONG: Readonly<Record<string, number>> = {
  "test/networks/torchvision.parity.test.ts": 150,
};

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const seconds = ({ moduleId }: TestSpecification) =>
      LONG[relative(this.ctx.config.root, moduleId).replaceAll("\\", "/")] ?? 0;
    // the others stay together by project, as files of some share a worker's modules
    return (await super.sort(files)).sort((a, b) => seconds(b) - seconds(a));
  }
}
