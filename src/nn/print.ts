import type { Module } from "./module.ts";

/** Settings that PyTorch prints without their name. */
const UNNAMED = ["inChannels", "outChannels", "numFeatures", "size"];

/**
 * A module as text, as PyTorch prints it: settings of layers, and a line for each module below.
 *
 *     Sequential(
 *       (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
 *       (1): ReLU()
 *     )
 */
export function printModule(module: Module): string {
  const children = [...module.children()].map(
    ([name, child]) => `\n  (${name}): ${printModule(child).replaceAll("\n", "\n  ")}`,
  );
  return `${module.type}(${children.length > 0 ? `${children.join("")}\n` : settings(module)})`;
}

/** Numbers, flags and sizes that are properties of a layer, or of its `options`. */
function settings(module: Module): string {
  return Object.entries(module)
    .flatMap(([name, value]) => (name === "options" ? Object.entries(value as object) : [[name, value] as const]))
    .flatMap(([name, value]) => {
      const given = name === "bias" && value === undefined ? false : value;
      if (!(Array.isArray(given) ? given.every(isPlain) : isPlain(given))) return [];
      const key = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      return UNNAMED.includes(name) ? String(given) : `${key}=${python(given)}`;
    })
    .join(", ");
}

const isPlain = (value: unknown) => value === null || /^[bns]/.test(typeof value);

function python(value: unknown): string {
  if (Array.isArray(value)) return `(${value.map(python).join(", ")})`;
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "string" ? `'${value}'` : String(value ?? "None");
}
