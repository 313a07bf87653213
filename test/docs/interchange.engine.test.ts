/** The document about weight files: its commands run and print what it shows; its table agrees with the registry. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { PRETRAINED } from "../../src/pretrained/index.ts";
import { convnets } from "../cli/run.ts";
import { blocksOf, outputPattern, readDocument } from "./documents.ts";

const DOCUMENT = "docs/interchange.md";
const text = readDocument(DOCUMENT);
const folder = mkdtempSync(join(tmpdir(), "convnets-docs-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Commands after "$ " with what they print, in the order of the document. */
const examples = blocksOf(DOCUMENT).flatMap(({ language, code }) =>
  (language === "console" ? code : "")
    .split(/^\$ /m)
    .slice(1)
    .map((example) => {
      const [command = "", ...lines] = example.split("\n");
      return { command, output: lines.join("\n").trimEnd() };
    }),
);

describe(DOCUMENT, () => {
  it("has examples", () => expect(examples.length).toBeGreaterThanOrEqual(6));

  it.each(examples)("$command", ({ command, output }) => {
    const [program, ...args] = command.split(" ");
    expect(program).toBe("convnets");
    const { stdout, stderr } = convnets(args, { cwd: folder });
    expect((stdout + stderr).trimEnd()).toMatch(outputPattern(output));
  });

  it("agrees with the registry", () => {
    const rows = [
      ...text.matchAll(/^\| (\w+) +\| (\S+\.pth) +\| +([\d.]+) \| +([\d,]+) \| +([\d.]+) \| +([\d.]+) \|$/gm),
    ];
    const listed = rows.map(([, name, file, ...numbers]) => [
      name,
      file,
      ...numbers.map((number) => Number(number.replaceAll(",", ""))),
    ]);
    expect(listed).toEqual(
      Object.entries(PRETRAINED).map(([name, { url, mebibytes, parameters, accuracy }]) => {
        return [name, url.split("/").at(-1), mebibytes, parameters, accuracy.top1, accuracy.top5];
      }),
    );
  });
});
