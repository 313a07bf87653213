import {
  COLUMNS,
  type Column,
  cellText,
  cellValue,
  fixed,
  label,
  labelTitle,
  type RowSetting,
  type ShownRow,
} from "./columns.ts";
import type { Row, Summary, Totals } from "./facts.ts";

/** What `renderText` and the others show. */
export interface RenderOptions {
  /** Levels of modules shown below the network. Default 3; in JSON all. */
  depth?: number;
  /** Columns after the label. Default `output_size` and `num_params`. */
  columns?: readonly Column[];
  /** Settings of rows. Default `["depth"]`. */
  rows?: readonly RowSetting[];
}

const DEFAULT_DEPTH = 3;
const DEFAULT_COLUMNS: readonly Column[] = ["output_size", "num_params"];
const DEFAULT_ROWS: readonly RowSetting[] = ["depth"];

/** Width of a column in characters. */
const COLUMN_WIDTH = 25;
const LABEL_WIDTH = 40;
/** Characters per level; the width of the first column is a multiple of it. */
const INDENT = 5;
/** Bytes of a tensor's storage object in Python, which torchinfo counts with the input. */
const STORAGE_OVERHEAD = 56;

/** The summary as torchinfo 1.8 prints it, line by line, without a line break at the end. */
export function renderText(summary: Summary, options: RenderOptions = {}): string {
  const { columns = DEFAULT_COLUMNS, rows: settings = DEFAULT_ROWS } = options;
  const { totals } = summary;
  const labelWidth = firstWidth(summary.rows, settings);
  const rule = "=".repeat(labelWidth + COLUMN_WIDTH * columns.length);
  const line = (first: string, cells: readonly string[]) =>
    [first.padEnd(labelWidth), ...cells.map((text) => text.padEnd(COLUMN_WIDTH))].join(" ").trimEnd();
  const head = columns.map((column) => COLUMNS[column]);
  const body = shownRows(summary, options).map((shown) => {
    const { row } = shown;
    const name = `${branch(row.depth, settings.includes("ascii_only"))}${label(row, settings)}`;
    return line(
      name,
      columns.map((column) => cellText(column, shown, totals)),
    );
  });
  return [
    ...[rule, line(labelTitle(settings), head), rule],
    ...[...body, rule],
    ...[...costLines(totals), rule],
    ...[...sizeLines(totals), rule],
  ].join("\n");
}

function shownRows(
  { rows }: Summary,
  { depth = DEFAULT_DEPTH, rows: settings = DEFAULT_ROWS }: RenderOptions,
): ShownRow[] {
  const hidden = settings.includes("hide_recursive_layers");
  return rows
    .filter((row) => row.depth <= depth && !(hidden && row.recursive))
    .map((row) => ({ row, whole: row.leaf || row.depth === depth }));
}

function firstWidth(rows: readonly Row[], settings: readonly RowSetting[]): number {
  const longest = Math.max(...rows.map((row) => label(row, settings).length + row.depth * INDENT + 1));
  return longest >= LABEL_WIDTH ? Math.ceil(longest / INDENT) * INDENT : LABEL_WIDTH;
}

function branch(depth: number, ascii: boolean): string {
  if (depth === 0) return "";
  if (ascii) return `${"|    ".repeat(depth - 1)}+ `;
  return depth === 1 ? "├─" : `${"│    ".repeat(depth - 1)}└─`;
}

/** " (k): 12.34": a number scaled by thousands, after its unit. */
function scaled(value: number, unit = ""): string {
  const [size, prefix] = SCALES.find(([size]) => value >= size) ?? [1, ""];
  const number = value / size;
  const text = Number.isInteger(number) ? String(number) : fixed(number);
  return `${prefix === "" ? "" : ` (${prefix}${unit})`}: ${text.replace(/\B(?=(\d{3})+(\.|$))/g, ",")}`;
}

const SCALES = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
] as const;

function costLines({ params, trainableParams, multAdds }: Totals): string[] {
  return [
    `Total params: ${params.toLocaleString("en-US")}`,
    `Trainable params: ${trainableParams.toLocaleString("en-US")}`,
    `Non-trainable params: ${(params - trainableParams).toLocaleString("en-US")}`,
    `Total mult-adds${scaled(multAdds)}`,
  ];
}

function sizeLines({ inputs, inputBytes, passBytes, paramBytes }: Totals): string[] {
  const input = inputBytes + STORAGE_OVERHEAD * inputs;
  return [
    `Input size${scaled(input, "B")}`,
    `Forward/backward pass size${scaled(passBytes, "B")}`,
    `Params size${scaled(paramBytes, "B")}`,
    `Estimated Total Size${scaled(input + passBytes + paramBytes, "B")}`,
  ];
}

/** The summary as a Markdown table, with the totals below it. */
export function renderMarkdown(summary: Summary, options: RenderOptions = {}): string {
  const { columns = DEFAULT_COLUMNS, rows: settings = DEFAULT_ROWS } = options;
  const line = (cells: readonly string[]) => `| ${cells.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
  return [
    line([labelTitle(settings), ...columns.map((column) => COLUMNS[column])]),
    line(["---", ...columns.map(() => "---:")]),
    ...shownRows(summary, options).map((shown) =>
      line([
        `${"&nbsp;".repeat(2 * shown.row.depth)}${label(shown.row, settings)}`,
        ...columns.map((column) => cellText(column, shown, summary.totals).trim()),
      ]),
    ),
    "",
    ...[...costLines(summary.totals), ...sizeLines(summary.totals)].map((text) => `- ${text}`),
  ].join("\n");
}

/** The rows as comma-separated values, for programs: depth, index, type and path, then the columns; numbers are not grouped. */
export function renderCsv(summary: Summary, options: RenderOptions = {}): string {
  const { columns = DEFAULT_COLUMNS } = options;
  const quoted = (value: number | string = "") =>
    /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
  const lines = shownRows(summary, options).map((shown) => {
    const { depth, index, type, path } = shown.row;
    return [depth, index, type, path, ...columns.map((column) => cellValue(column, shown, summary.totals))];
  });
  return [["depth", "index", "type", "path", ...columns], ...lines]
    .map((cells) => cells.map(quoted).join(","))
    .join("\n");
}

/** Rows and totals as JSON, with the fields of `Summary`; null in a receptive field means the whole image. */
export function renderJson(
  { rows, totals }: Summary,
  { depth = Number.POSITIVE_INFINITY }: RenderOptions = {},
): string {
  return JSON.stringify({ rows: rows.filter((row) => row.depth <= depth), totals }, null, 2);
}
