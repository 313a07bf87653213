/** The document about weight files: its commands are run and print what stands there; its table is the registry's. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { PRETRAINED } from "../../src/pretrained/index.ts";
import { convnets } from "../cli/run.ts";

const text = readFileSync(new URL("../../docs/interchange.md", import.meta.url), "utf8");
const folder = mkdtempSync(join(tmpdir(), "convnets-docs-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Commands after "$ " with what they print, in the order of the document. */
const examples = [...text.matchAll(/^```console\n([\s\S]*?)^```/gm)].flatMap(([, block]) =>
  block!
    .split(/^\$ /m)
    .slice(1)
    .map((example) => {
      const [command = "", ...lines] = example.split("\n");
      return { command, output: lines.join("\n").trimEnd() };
    }),
);

/** "…" on a line of its own stands for any lines. */
const pattern = (output: string) => {
  const parts = output.split(/^…$/m).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[\\s\\S]*")}$`);
};

describe("docs/interchange.md", () => {
  it("has examples", () => expect(examples.length).toBeGreaterThanOrEqual(6));

  it.each(examples)("$command", ({ command, output }) => {
    const [program, ...args] = command.split(" ");
    expect(program).toBe("convnets");
    const { stdout, stderr } = convnets(args, { cwd: folder });
    expect((stdout + stderr).trimEnd()).toMatch(pattern(output));
  });

  it("has the registry's facts", () => {
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
