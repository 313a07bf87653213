import { readFile } from "node:fs/promises";
import { UsageError } from "./support.ts";

/** Names of classes: one per line, a JSON list, or a JSON object such as ImageNet's class index, { "0": ["n01440764", "tench"] }. */
export async function classNames(file: string): Promise<string[]> {
  const text = await readFile(file, "utf8").catch(() => {
    throw new UsageError(`cannot read the class names in ${file}`);
  });
  if (!/^\s*[[{]/.test(text)) return text.trimEnd().split(/\r?\n/);
  try {
    const names = Object.values(JSON.parse(text) as Record<string, unknown>);
    return names.map((name) => String(Array.isArray(name) ? name.at(-1) : name));
  } catch (error) {
    throw new UsageError(`cannot read the class names in ${file}: ${(error as Error).message}`);
  }
}
