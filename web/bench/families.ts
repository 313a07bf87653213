import { MODELS, modelEntry } from "convnets/models";
import type { Entry, Family } from "./protocol.ts";

/** The registered networks, by publication, in the order in which they were published. */
export function families(): Family[] {
  const found = new Map<string, Omit<Family, "entries"> & { entries: Entry[] }>();
  for (const name of Object.keys(MODELS)) {
    const { paper, title, variants, inputSize } = modelEntry(name);
    const family = found.get(paper.title) ?? { ...paper, entries: [] };
    family.entries.push({ name, title, variants, inputSize });
    found.set(paper.title, family);
  }
  return [...found.values()].sort((a, b) => a.year - b.year);
}
