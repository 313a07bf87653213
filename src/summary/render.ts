import { COLUMNS, type Column, cell, label, labelTitle, type RowSetting } from "./columns.ts";
import type { Row, Summary, Totals } from "./facts.ts";

export interface RenderOptions {
  /** Levels of modules shown below the root. Default 3. */
  depth?: number;
  columns?: readonly Column[];
  rows?: readonly RowSetting[];
}

const DEFAULT_COLUMNS: readonly Column[] = ["output_size", "num_params"];
const COLUMN_WIDTH = 25;
const LABEL_WIDTH = 40;
/** What a level of indentation takes, and what the width of the first column is a multiple of. */
const INDENT = 5;
/** Python's bookkeeping for a tensor's storage, which torchinfo counts with the input. */
const STORAGE_OVERHEAD = 56;

/** torchinfo's table, line by line (version 1.8), without a line break at the end. */
export function renderText(summary: Summary, options: RenderOptions = {}): string {
  const { columns = DEFAULT_COLUMNS, rows: settings = ["depth"] } = options;
  const labelWidth = firstWidth(summary.rows, settings);
  const line = (character: string) => character.repeat(labelWidth + COLUMN_WIDTH * columns.length);
  const table = (first: string, cells: readonly string[]) =>
    [first.padEnd(labelWidth), ...cells.map((text) => text.padEnd(COLUMN_WIDTH))].join(" ").trimEnd();
  const shown = visible(summary, options);
  return [
    line("="),
    table(
      labelTitle(settings),
      columns.map((column) => COLUMNS[column]),
    ),
    line("="),
    ...shown.map(({ row, whole }) =>
      table(
        `${branch(row.depth, settings.includes("ascii_only"))}${label(row, settings)}`,
        columns.map((column) => cell(column, row, summary.totals, whole)),
      ),
    ),
    line("="),
    ...totalLines(summary.totals),
    line("="),
    ...sizeLines(summary.totals),
    line("="),
  ].join("\n");
}

/** Rows down to a depth; `whole` where nothing below is shown. */
function visible({ rows }: Summary, { depth = 3 }: RenderOptions): { row: Row; whole: boolean }[] {
  return rows.filter((row) => row.depth <= depth).map((row) => ({ row, whole: row.leaf || row.depth === depth }));
}

function firstWidth(rows: readonly Row[], settings: readonly RowSetting[]): number {
  const longest = Math.max(...rows.map((row) => label(row, settings).length + row.depth * INDENT + 1));
  return longest >= LABEL_WIDTH ? Math.ceil(longest / INDENT) * INDENT : LABEL_WIDTH;
}

function branch(depth: number, ascii: boolean): string {
  if (depth === 0) return "";
  if (ascii) return depth === 1 ? "+ " : `${"|    ".repeat(depth - 1)}+ `;
  return depth === 1 ? "├─" : `${"│    ".repeat(depth - 1)}└─`;
}

/** A number scaled by thousands, with its unit. */
function scaled(value: number): { number: string; unit: string } {
  const steps = [
    [1e12, "T"],
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const;
  const [size, unit] = steps.find(([size]) => value >= size) ?? [1, ""];
  return { number: (value / size).toFixed(2), unit };
}

function totalLines({ params, trainableParams, multAdds }: Totals): string[] {
  const { number, unit } = scaled(multAdds);
  return [
    `Total params: ${params.toLocaleString("en-US")}`,
    `Trainable params: ${trainableParams.toLocaleString("en-US")}`,
    `Non-trainable params: ${(params - trainableParams).toLocaleString("en-US")}`,
    `Total mult-adds${unit === "" ? "" : ` (${unit})`}: ${number}`,
  ];
}

function sizeLines({ inputBytes, passBytes, paramBytes }: Totals): string[] {
  const megabytes = (value: number) => (value / 1e6).toFixed(2);
  const input = inputBytes + STORAGE_OVERHEAD;
  const { number, unit } = scaled(input);
  return [
    `Input size (${unit}B): ${number}`,
    `Forward/backward pass size (MB): ${megabytes(passBytes)}`,
    `Params size (MB): ${megabytes(paramBytes)}`,
    `Estimated Total Size (MB): ${megabytes(input + passBytes + paramBytes)}`,
  ];
}

/** The rows as cells, the first line being the headlines. */
export function renderCells(summary: Summary, options: RenderOptions = {}): string[][] {
  const { columns = DEFAULT_COLUMNS, rows: settings = ["depth"] } = options;
  return [
    [labelTitle(settings), ...columns.map((column) => COLUMNS[column])],
    ...visible(summary, options).map(({ row, whole }) => [
      `${"  ".repeat(row.depth)}${label(row, settings)}`,
      ...columns.map((column) => cell(column, row, summary.totals, whole)),
    ]),
  ];
}

/** A Markdown table, with the totals below. */
export function renderMarkdown(summary: Summary, options: RenderOptions = {}): string {
  const [head, ...body] = renderCells(summary, options);
  const escaped = (cells: readonly string[]) =>
    `| ${cells.map((text) => text.replace(/^ +/, (spaces) => "&nbsp;".repeat(spaces.length)).replaceAll("|", "\\|")).join(" | ")} |`;
  const rule = `| --- | ${head!
    .slice(1)
    .map(() => "---:")
    .join(" | ")} |`;
  const totals = [...totalLines(summary.totals), ...sizeLines(summary.totals)].map((text) => `- ${text}`);
  return [escaped(head!), rule, ...body.map(escaped), "", ...totals].join("\n");
}

/** Comma-separated values with a line of headlines; shapes and grouped numbers are quoted. */
export function renderCsv(summary: Summary, options: RenderOptions = {}): string {
  const quoted = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return renderCells(summary, options)
    .map((cells) => cells.map((text) => quoted(text.trimStart())).join(","))
    .join("\n");
}
