/** The documents, their code, and a folder in which that code finds the package as it is built. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll } from "vitest";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Paths of all documents, relative to the repository. */
export const DOCUMENTS = [
  ...["README.md", "README.zh-CN.md", "CHANGELOG.md", "examples/README.md"],
  ...readdirSync(join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

export const readDocument = (document: string) => readFileSync(join(ROOT, document), "utf8");

export interface Block {
  readonly language: string;
  readonly code: string;
}

/** The fenced blocks of a document, in order. */
export const blocksOf = (document: string): Block[] =>
  [...readDocument(document).matchAll(/^```(\w*).*\n([\s\S]*?)^```/gm)].map(([, language = "", code = ""]) => ({
    language,
    code,
  }));

export interface Program {
  readonly name: string;
  readonly code: string;
  /** What it prints, if the document shows it. */
  readonly output: string;
}

/** The TypeScript programs of a document. A block that imports nothing continues the program before it; text is its output. */
export function programsOf(document: string): Program[] {
  const programs: { code: string; output: string }[] = [];
  for (const { language, code } of blocksOf(document)) {
    const last = programs.at(-1);
    if (language === "ts" && (!last || /^import /m.test(code))) programs.push({ code, output: "" });
    else if (language === "ts") last!.code += `\n${code}`;
    else if (language === "text" && last) last.output += code;
  }
  return programs.map((program, i) => ({ ...program, name: `${document.replaceAll(/\W/g, "-")}-${i + 1}` }));
}

/** What a document shows as output, as a pattern: "…" stands for anything, on a line of its own for any lines. */
export const outputPattern = (output: string): RegExp => {
  const parts = output.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[\\s\\S]*")}$`);
};

/** A folder as a user has it: an ES module package with convnets installed. */
export function workspace(): string {
  const folder = mkdtempSync(join(tmpdir(), "convnets-docs-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(ROOT, join(folder, "node_modules/convnets"), "junction");
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  return folder;
}

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
}

const require = createRequire(import.meta.url);

/** Runs a file with Node, by tsx if it is TypeScript. */
export function runFile(file: string, args: readonly string[] = [], { cwd = dirname(file) } = {}): Outcome {
  const tsx = file.endsWith(".ts") ? ["--import", pathToFileURL(require.resolve("tsx")).href] : [];
  const { stdout, stderr, status } = spawnSync(process.execPath, [...tsx, file, ...args], {
    cwd,
    encoding: "utf8",
  });
  return { stdout, stderr, status };
}

/** Compiles the TypeScript files of a folder without writing anything; what the compiler says. */
export function typeCheck(folder: string, options: object = {}): string {
  const compilerOptions = {
    ...{ target: "es2022", lib: ["es2023", "dom", "dom.iterable"], module: "nodenext", strict: true, noEmit: true },
    ...{ skipLibCheck: true, types: ["node"], typeRoots: [join(ROOT, "node_modules/@types")], ...options },
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
  const tsc = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
  return spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" }).stdout;
}
