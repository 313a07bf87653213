import type { Row, Totals } from "./facts.ts";

/** Columns and their titles: torchinfo's, and from `trainable` on our own. */
export const COLUMNS = {
  input_size: "Input Shape",
  output_size: "Output Shape",
  num_params: "Param #",
  params_percent: "Param %",
  kernel_size: "Kernel Shape",
  mult_adds: "Mult-Adds",
  trainable: "Trainable",
  macs: "MACs",
  receptive_field: "Receptive Field",
  activation_bytes: "Activation Bytes",
} as const;

/** Name of a column. */
export type Column = keyof typeof COLUMNS;

/** Settings of rows: what their labels say, the characters of the tree, and whether repeated modules are shown. */
export const ROW_SETTINGS = ["depth", "var_names", "ascii_only", "hide_recursive_layers"] as const;
/** Name of a row setting, as in torchinfo. */
export type RowSetting = (typeof ROW_SETTINGS)[number];

/** Shown instead of parameters that were counted in an earlier row. */
const RECURSIVE = "(recursive)";
const NOTHING = "--";

/** A row as it is shown. `whole`: no rows below it are shown, so it includes them. */
export interface ShownRow {
  readonly row: Row;
  readonly whole: boolean;
}

/** Value of a cell, for programs; undefined when it is empty. */
export function cellValue(column: Column, { row, whole }: ShownRow, totals: Totals): number | string | undefined {
  const params = whole ? row.params : row.ownParams;
  const some = (value: number) => (value > 0 ? value : undefined);
  switch (column) {
    case "input_size":
      return list(row.inputSize);
    case "output_size":
      return list(row.outputSize);
    case "num_params":
      return row.recursive ? undefined : some(params);
    case "params_percent":
      return row.recursive ? undefined : some((params / totals.params) * 100);
    case "kernel_size":
      return typeof row.kernelSize === "number" ? row.kernelSize : list(row.kernelSize);
    case "mult_adds":
      return whole ? some(row.multAdds) : undefined;
    case "trainable":
      if (row.params === 0) return undefined;
      if (row.trainableParams === 0) return "False";
      return row.trainableParams === row.params ? "True" : "Partial";
    case "macs":
      return some(whole ? row.macs : row.ownMacs);
    case "receptive_field":
      return row.receptiveField?.every(Number.isFinite) === false ? "all" : list(row.receptiveField);
    case "activation_bytes":
      return some(row.activationBytes);
    default:
      return column satisfies never;
  }
}

const list = (values: readonly unknown[] | undefined) =>
  values && values.length > 0 ? `[${values.join(", ")}]` : undefined;

/** Text of a cell, as torchinfo prints it. */
export function cellText(column: Column, shown: ShownRow, totals: Totals): string {
  const value = cellValue(column, shown, totals);
  const { row, whole } = shown;
  switch (column) {
    case "num_params":
      if (row.recursive && row.params > 0) return RECURSIVE;
      // frozen parameters are in brackets
      return value !== undefined && whole && row.trainableParams === 0 ? `(${grouped(row.params)})` : grouped(value);
    case "params_percent":
      if (row.recursive && totals.params > 0) return RECURSIVE;
      return typeof value === "number" ? `${fixed(value).padStart(6)}%` : `     ${NOTHING}`;
    case "kernel_size":
      return String(value ?? NOTHING);
    default:
      return grouped(value);
  }
}

const grouped = (value: number | string | undefined): string =>
  typeof value === "number" ? value.toLocaleString("en-US") : (value ?? NOTHING);

/** With two decimals; halves are rounded to even, as in Python. */
export function fixed(value: number): string {
  // only odd eighths are halfway: .375 and .875 go up, as here anyway; .125 and .625 go down
  const down = (value * 8) % 4 === 1;
  return (down ? value - 0.005 : value).toFixed(2);
}

/** Label of a row, such as "Conv2d (0): 2-1": type, name, depth and position. */
export function label(row: Row, settings: readonly RowSetting[]): string {
  const name = settings.includes("var_names") ? ` (${row.varName})` : "";
  const place = settings.includes("depth") && row.depth > 0 ? `: ${row.depth}-${row.index}` : "";
  return `${row.type}${name}${place}`;
}

/** Title of the first column. */
export function labelTitle(settings: readonly RowSetting[]): string {
  const name = settings.includes("var_names") ? " (var_name)" : "";
  return `Layer (type${name}${settings.includes("depth") ? ":depth-idx" : ""})`;
}
