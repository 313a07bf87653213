/** What commands say of files, for scripts/files.ts and its test. They run in this process. */
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";

export const COMMANDS = ["inspect", "summary", "eval", "classify", "train", "convert"] as const;
export type CommandName = (typeof COMMANDS)[number];

/** What a command prints. */
export async function call(name: CommandName, args: readonly string[]): Promise<string> {
  const { command } = (await import(`../src/cli/${name}.ts`)) as { command: Command };
  const [out, error] = [process.stdout.write, process.stderr.write];
  let printed = "";
  const keep = (text: string | Uint8Array) => {
    printed += text;
    return true;
  };
  process.stdout.write = keep as typeof out;
  process.stderr.write = keep as typeof error;
  try {
    await command.exitOverride().parseAsync(args as string[], { from: "user" });
    return printed;
  } finally {
    process.stdout.write = out;
    process.stderr.write = error;
    process.exitCode = 0;
  }
}

/** What `inspect` says of files, as a list. `root` is left out of their paths. */
export async function told(files: readonly (readonly [kind: string, path: string])[], root: string): Promise<string> {
  const lines: string[] = [];
  for (const [kind, path] of files) {
    const said = await call("inspect", [path]).catch((error: Error) => error.message);
    lines.push(`- _${kind}_: ${said.trim().split("\n").join("; ").replaceAll(/\s+/g, " ").replaceAll(`${root}/`, "")}`);
  }
  return lines.join("\n");
}

/** Files that others published, beside the project. */
export const FOUND = fileURLToPath(new URL("../../shared/data/found", import.meta.url));
export const isFound = existsSync(FOUND);

/** What `inspect` and `summary` make of the files that others published, as a table. */
export async function foundTable(): Promise<string> {
  const rows = ["| file | inspect | summary |", "| --- | --- | --- |"];
  for (const folder of ["models", "pictures"])
    for (const name of readdirSync(`${FOUND}/${folder}`).sort()) {
      const path = `${FOUND}/${folder}/${name}`;
      const cell = (work: Promise<string>) =>
        work.then(
          (text) => text,
          (error: Error) => `refused: ${error.message.replaceAll(`${path}: `, "").split("\n")[0]!.slice(0, 140)}`,
        );
      const inspected = await cell(call("inspect", [path]).then((text) => describedIn(text, path)));
      const isNetwork = name.endsWith(".onnx");
      const summary = isNetwork ? await cell(call("summary", [path]).then(parametersIn)) : "";
      const both = summary === inspected ? "" : summary;
      rows.push(`| ${[`\`${name}\``, inspected, both].map((text) => text.replaceAll("|", "/")).join(" | ")} |`);
    }
  return rows.join("\n");
}

/** `PyTorch, zip form, 1.6 MB, 14 tensors` */
function describedIn(text: string, path: string): string {
  const lines = text.trim().split("\n");
  const what = lines[0]!.replace(path, "").trim();
  const [tensors] = /^[\d,]+ tensors/.exec(lines.at(-1)!) ?? [];
  return tensors === undefined ? what : `${what}, ${tensors}`;
}

const parametersIn = (text: string): string => `${/Total params: ([\d,]+)/.exec(text)?.[1]} parameters`;
