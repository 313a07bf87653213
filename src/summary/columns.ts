import type { Row, Totals } from "./facts.ts";

/** Columns by torchinfo's names, and ours. */
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

export type Column = keyof typeof COLUMNS;

/** What stands beside the type of a module. */
export type RowSetting = "depth" | "var_names" | "ascii_only";

export const ROW_SETTINGS: readonly RowSetting[] = ["depth", "var_names", "ascii_only"];

const NOTHING = "--";

const grouped = (value: number) => value.toLocaleString("en-US");
const count = (value: number) => (value > 0 ? grouped(value) : NOTHING);
const list = (values: readonly unknown[]) => `[${values.join(", ")}]`;

/** Text of one cell. `whole`: the rows below are not shown, so the cell speaks for them too. */
export function cell(column: Column, row: Row, totals: Totals, whole: boolean): string {
  const params = whole ? row.params : row.ownParams;
  switch (column) {
    case "input_size":
      return list(row.inputSize);
    case "output_size":
      return list(row.outputSize);
    case "num_params":
      return count(params);
    case "params_percent":
      return params > 0 ? `${((100 * params) / totals.params).toFixed(2)}%` : NOTHING;
    case "kernel_size":
      return row.kernelSize === undefined
        ? NOTHING
        : typeof row.kernelSize === "number"
          ? String(row.kernelSize)
          : list(row.kernelSize);
    case "mult_adds":
      return whole ? count(row.multAdds) : NOTHING;
    case "macs":
      return whole ? count(row.macs) : NOTHING;
    case "trainable":
      return row.params === 0
        ? NOTHING
        : row.trainableParams === row.params
          ? "True"
          : row.trainableParams === 0
            ? "False"
            : "Partial";
    case "receptive_field":
      return list(row.receptiveField.map((size) => (Number.isFinite(size) ? size : "all")));
    case "activation_bytes":
      return grouped(row.activationBytes);
    default:
      return column satisfies never;
  }
}

/** "Conv2d (0): 2-1": type, name, depth and position, as asked for. */
export function label(row: Row, settings: readonly RowSetting[]): string {
  const name = settings.includes("var_names") ? ` (${row.varName})` : "";
  const place = settings.includes("depth") && row.depth > 0 ? `: ${row.depth}-${row.index}` : "";
  return `${row.type}${name}${place}`;
}

/** Headline of the first column. */
export function labelTitle(settings: readonly RowSetting[]): string {
  const name = settings.includes("var_names") ? " (var_name)" : "";
  return `Layer (type${name}${settings.includes("depth") ? ":depth-idx" : ""})`;
}
