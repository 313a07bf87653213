import { readFileSync } from "node:fs";
import { python } from "../support/python.ts";

const SCRIPT = readFileSync(new URL("networks.py", import.meta.url), "utf8");

/** What PyTorch (networks.py) says of each case. */
export function ask<T>(task: "table" | "field", cases: readonly unknown[]): T[] {
  return JSON.parse(python(SCRIPT, { input: JSON.stringify([task, cases]) })) as T[];
}
