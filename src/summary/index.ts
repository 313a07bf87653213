/** What a network consists of and what it costs: torchinfo's table and more. Imports `graph`, `operators` and `nn`. */
export { COLUMNS, type Column, ROW_SETTINGS, type RowSetting } from "./columns.ts";
export { type Compared, compareSummaries, type Difference, type RowPair } from "./compare.ts";
export { type Row, type SummarizeOptions, type Summary, summarize, summarizeTrace, type Totals } from "./facts.ts";
export { receptiveFields } from "./receptive-field.ts";
export { type RenderOptions, renderCsv, renderJson, renderMarkdown, renderText } from "./render.ts";
