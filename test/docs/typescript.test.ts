/** What stands in the documents as TypeScript compiles against the package as it is built. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { DIST } from "../cli/run.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "convnets-docs-"));
afterAll(() => rmSync(folder, { recursive: true }));

const documents = ["README.md", "README.zh-CN.md", ...readdirSync(join(ROOT, "docs")).map((name) => `docs/${name}`)];
const blocks = documents
  .filter((name) => name.endsWith(".md"))
  .flatMap((name) =>
    [...readFileSync(join(ROOT, name), "utf8").matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(
      ([, code = ""], i) => [`${name.replaceAll(/\W/g, "-")}-${i + 1}.ts`, code] as const,
    ),
  );

it("examples compile", () => {
  expect(blocks.length).toBeGreaterThanOrEqual(5);
  // a module, so that names of one are not those of another
  for (const [name, code] of blocks) writeFileSync(join(folder, name), `${code}\nexport {};\n`);
  const paths = {
    convnets: [join(DIST, "index.d.ts")],
    "convnets/*": [join(DIST, "*.d.ts"), join(DIST, "*/index.d.ts")],
  };
  const compilerOptions = {
    ...{ target: "es2022", module: "nodenext", strict: true, noEmit: true, skipLibCheck: true, paths },
    ...{ types: ["node"], typeRoots: [join(ROOT, "node_modules/@types")] },
  };
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");
  const { stdout, status } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
  expect(stdout).toBe("");
  expect(status).toBe(0);
}, 60_000);
