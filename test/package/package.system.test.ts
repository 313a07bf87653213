/** The package's files, declarations and entries, as its users' tools see them. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { build } from "esbuild";
import { describe, expect, test, vi } from "vitest";
import { entries, execute, installed, pack, ROOT } from "./packed.ts";

const tarball = pack({ vendor: false });
const project = installed(tarball);
const folder = join(project, "node_modules/convnets");
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"));

vi.setConfig({ testTimeout: 180_000 });

const bin = (name: string) => join(ROOT, "node_modules/.bin", name);

describe("files", () => {
  test("hold the build, the documents and the licenses, and nothing else", () => {
    const unexpected = files.filter(
      (file) =>
        !/^(dist\/.*\.(js|d\.ts)|dist\/(studio\/web|draw\/page)\/.*|(docs|examples|licenses)\/.*|(README|README\.zh-CN|CHANGELOG)\.md|LICENSE|package\.json)$/.test(
          file,
        ),
    );
    expect(unexpected).toEqual([]);
    for (const file of ["LICENSE", "CHANGELOG.md", "licenses/onnxruntime/LICENSE", "docs/training.md"])
      expect(files).toContain(file);
  });

  test("refer to no source map", () => {
    const code = files.filter((file) => file.endsWith(".js"));
    expect(code.filter((file) => readFileSync(join(folder, file), "utf8").includes("sourceMappingURL"))).toEqual([]);
  });

  test("have no dead links between the documents", () => {
    const dead = files
      .filter((file) => file.endsWith(".md"))
      .flatMap((file) => {
        const text = readFileSync(join(folder, file), "utf8").replace(/```.*?```/gs, "");
        const links = [...text.matchAll(/\]\(([^)#\s]+)|(?:src|href)="([^"#]+)/g)].map(([, a, b]) => (a ?? b)!);
        return links
          .filter((link) => !/^[a-z]+:/.test(link) && !existsSync(join(folder, dirname(file), link)))
          .map((link) => `${file}: ${link}`);
      });
    expect(dead).toEqual([]);
  });
});

test("publint finds nothing", () => {
  expect(execute(bin("publint"), ["run", tarball, "--strict"], { cwd: project }).stdout).toContain("All good!");
});

test("attw finds nothing", () => {
  // CommonJS loads the ES modules by require(), which every supported version of Node can
  execute(bin("attw"), [tarball, "--profile", "esm-only", "--no-color", "--no-emoji"], { cwd: project });
});

describe("declarations compile, with skipLibCheck off,", () => {
  const alone = ["without @types/node, with TypeScript's default libraries", { types: [] }] as const;
  const withNode = { types: ["node"], lib: ["es2023"], typeRoots: [join(ROOT, "node_modules/@types")] };
  test.each([
    ["node16", ...alone],
    ["nodenext", ...alone],
    ["bundler", ...alone],
    ["nodenext", "with @types/node, without the DOM", withNode],
  ] as const)("under %s, %s", (moduleResolution, _, options) => {
    writeFileSync(join(project, "all.mts"), entries.map((entry, i) => `export * as e${i} from "${entry}";\n`).join(""));
    const module = moduleResolution === "bundler" ? "esnext" : moduleResolution;
    const compilerOptions = {
      ...{ module, moduleResolution, target: "es2022", strict: true, skipLibCheck: false, noEmit: true },
      ...options,
    };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["all.mts"] }));
    execute(bin("tsc"), ["-p", "."], { cwd: project });
  });
});

test("CommonJS loads every entry by require()", () => {
  const requires = entries.map((entry) => `require("${entry}");\n`).join("");
  writeFileSync(join(project, "all.cjs"), `${requires}console.log(require("convnets").createModel.name);\n`);
  const { stdout, stderr } = execute(process.execPath, ["all.cjs"], { cwd: project });
  expect({ stdout, stderr }).toEqual({ stdout: "createModel\n", stderr: "" });
});

describe("in browsers", () => {
  const forNode = /^convnets\/node$/;
  test.each(entries.filter((entry) => !forNode.test(entry)))("%s brings no code for Node", async (entry) => {
    const { metafile, errors } = await build({
      stdin: { contents: `export * from "${entry}"`, resolveDir: project },
      ...{ bundle: true, write: false, metafile: true, platform: "browser", format: "esm", logLevel: "silent" },
      // ONNX Runtime's own files ask for Node's modules by name, where they run in Node
      external: ["onnxruntime-web/*"],
    });
    expect(errors).toEqual([]);
    const reached = Object.entries(metafile.inputs).flatMap(([file, { imports }]) => [
      file,
      ...imports.map(({ path }) => path),
    ]);
    expect(reached.filter((path) => /^node:|\/node\/|(^|\/)(onnxruntime-node|sharp)\//.test(path))).toEqual([]);
  });
});
