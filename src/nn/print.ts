import type { Module } from "./module.ts";
import { Parametrized } from "./parameter.ts";

/**
 * A module as text, as PyTorch prints it: settings of layers, and a line for each module below. With `ranges`, equal modules that
 * follow each other are printed once, as in `(0-2): 3 x ReLU()`.
 *
 *     Sequential(
 *       (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
 *       (1): ReLU()
 *     )
 */
export function printModule(module: Module, ranges = false): string {
  const below = [...module.children()].map(([name, child]) => ({
    first: name,
    last: name,
    count: 1,
    text: `${child}`,
  }));
  for (let i = below.length - 1; ranges && i > 0; i--) {
    const [before, one] = [below[i - 1]!, below[i]!];
    if (before.text !== one.text) continue;
    below.splice(i - 1, 2, { ...before, last: one.last, count: one.count + 1 });
  }
  const lines = below.map(({ first, last, count, text }) =>
    count > 1 ? `(${first}-${last}): ${count} x ${text}` : `(${first}): ${text}`,
  );
  const computed = Object.entries(module).filter(([, value]) => value instanceof Parametrized);
  const rules = computed.map(([name, { type }]) => `(${name}): ParametrizationList(\n  (0): ${type}()\n)`);
  if (rules.length > 0) lines.push(`(parametrizations): ModuleDict(${indented(rules)})`);
  const settings = module.extraRepr();
  const inside = lines.length === 0 ? settings : indented(settings === "" ? lines : [settings, ...lines]);
  return `${rules.length > 0 ? "Parametrized" : ""}${module.type}(${inside})`;
}

const indented = (lines: readonly string[]) => `\n${lines.join("\n")}`.replaceAll("\n", "\n  ").concat("\n");

/** Settings in Python's spelling: `kernel_size=(3, 3), bias=True`. Strings stand as they are; undefined ones are left out. */
export function settings(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}=${python(value)}`)
    .join(", ");
}

/** A value in Python's spelling: `None`, `True`, `(1, 2)`. */
export function python(value: unknown): string {
  if (Array.isArray(value)) return `(${value.map(python).join(", ")}${value.length === 1 ? "," : ""})`;
  return value === true ? "True" : value === false ? "False" : String(value ?? "None");
}

/** A number that is a floating-point one in Python: `1.0`, `1e-05`. */
export function real(value: number): string {
  if (Number.isInteger(value)) return `${value}.0`;
  return Math.abs(value) < 1e-4 ? value.toExponential().replace(/-(\d)$/, "-0$1") : String(value);
}
