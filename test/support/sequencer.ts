/**
 * Starts the test files that take longest first, project by project: files of one share a worker's modules, and with it a worker can
 * go on to the next. The units come last, as they are short, so that both workers are busy until the end.
 */
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { LONG } from "./long.ts";

const PROJECTS = ["system", "parity", "engine", "browser", "unit"];

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const seconds = ({ moduleId }: TestSpecification) =>
      LONG[relative(`${this.ctx.config.root}/test`, moduleId).replaceAll("\\", "/")] ?? 0;
    const place = ({ project }: TestSpecification) => PROJECTS.indexOf(project.name);
    return (await super.sort(files)).sort((a, b) => place(a) - place(b) || seconds(b) - seconds(a));
  }
}
