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

/** What names a row, and which rows there are. */
export const ROW_SETTINGS = ["depth", "var_names", "ascii_only", "hide_recursive_layers"] as const;
export type RowSetting = (typeof ROW_SETTINGS)[number];

/** What stands in place of parameters that an earlier row has counted. */
const RECURSIVE = "(recursive)";
const NOTHING = "--";

/** A row as it is shown. `whole`: nothing below it is, so that it speaks for that too. */
export interface ShownRow {
  readonly row: Row;
  readonly whole: boolean;
}

/** What a cell says, for programs; undefined where there is nothing to say. */
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

/** The same as torchinfo prints it. */
export function cellText(column: Column, shown: ShownRow, totals: Totals): string {
  const value = cellValue(column, shown, totals);
  const { row, whole } = shown;
  switch (column) {
    case "num_params":
      if (row.recursive && row.params > 0) return RECURSIVE;
      // frozen parameters stand in brackets
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

/** With two decimals, halves to the even one, as Python rounds. */
export function fixed(value: number): string {
  // only odd eighths lie halfway: .375 and .875 go up, as they do here anyway, .125 and .625 go down
  const down = (value * 8) % 4 === 1;
  return (down ? value - 0.005 : value).toFixed(2);
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
