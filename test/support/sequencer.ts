/**
 * Starts the test files that take longest first, whatever project they belong to, so that both workers are busy until the end.
 * vitest would run one project after the other, and knows how long files take only from an earlier run.
 */
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { LONG } from "./long.ts";

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const seconds = ({ moduleId }: TestSpecification) =>
      LONG[relative(`${this.ctx.config.root}/test`, moduleId).replaceAll("\\", "/")] ?? 0;
    // the others stay together by project, as the files of some share a worker's modules
    return (await super.sort(files)).sort((a, b) => seconds(b) - seconds(a));
  }
}
