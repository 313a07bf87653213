import type { Module } from "./module.ts";

/** Settings that PyTorch prints without their name. */
const UNNAMED = ["inChannels", "outChannels", "numFeatures", "numGroups", "numChannels", "normalizedShape", "size"];

/** Settings that are floating-point numbers in PyTorch. */
const REAL = /^(alpha|beta|eps|k|maxVal|minVal|momentum|negativeSlope|scaleFactor|threshold|value)$/;

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
  const own = Object.entries(module);
  return own
    .flatMap(([name, value]) => (name === "options" ? Object.entries(value as object) : [[name, value] as const]))
    .flatMap(([name, value]) => {
      const given = name === "bias" && value === undefined && !("eps" in module) ? false : value;
      if (!(Array.isArray(given) ? given.every(isPlain) : isPlain(given))) return [];
      const key = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      const text = python(given, REAL.test(name));
      return (own.length === 1 && name === "padding") || (UNNAMED.includes(name) && name in module)
        ? text
        : `${key}=${text}`;
    })
    .join(", ");
}

const isPlain = (value: unknown) => value === null || /^[bns]/.test(typeof value);

function python(value: unknown, real = false): string {
  if (Array.isArray(value)) {
    const items = value.map((item) => python(item, real));
    return `(${items.join(", ")}${items.length === 1 ? "," : ""})`;
  }
  if (typeof value === "boolean") return value ? "True" : "False";
  if (!real || typeof value !== "number") return typeof value === "string" ? `'${value}'` : String(value ?? "None");
  if (Number.isInteger(value)) return `${value}.0`;
  return Math.abs(value) < 1e-4 ? value.toExponential().replace(/-(\d)$/, "-0$1") : String(value);
}
