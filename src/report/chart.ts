import { type Html, type HtmlValue, html } from "./html.ts";

export type Tone = "train" | "validation" | "rate";

/** A line of a chart. */
export interface Series {
  readonly name: string;
  readonly tone: Tone;
  readonly points: readonly Point[];
  /** A thin line in the background, such as single steps behind the means of epochs; its values are not shown. */
  readonly faint?: boolean;
}

export type Point = readonly [x: number, y: number];

export interface ChartOptions {
  readonly title: string;
  readonly xTitle: string;
  readonly series: readonly Series[];
  /** How values are written. */
  readonly format: (y: number) => string;
  /** Ends of the x axis. */
  readonly xRange: readonly [number, number];
  /** Limits of the y axis. */
  readonly limits: readonly [least: number, most: number];
  /** Whether the y axis always begins at its lower limit. */
  readonly whole?: boolean;
  /** A point to mark. */
  readonly mark?: { readonly at: Point; readonly text: string };
}

/** Round numbers that cut a range into about `count` parts: a step of 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number, count: number): number[] {
  const step = roundStep((high - low) / count);
  const [first, last] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
  // the product of a decimal fraction and a whole number is off by its rounding
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function roundStep(atLeast: number): number {
  const power = 10 ** Math.floor(Math.log10(atLeast));
  // 5 · 10^-5 and such come out of Math.log10 a little low
  return ([1, 2, 5].find((factor) => factor * power >= atLeast * (1 - 1e-9)) ?? 10) * power;
}

/** Ends of the y axis: round numbers around all values; the least possible value if it is near. */
function yRange(series: readonly Series[], { limits: [least, most], whole }: ChartOptions): [number, number] {
  const values = (faint: boolean) =>
    series.filter((one) => (one.faint ?? false) === faint).flatMap(({ points }) => points.map(([, y]) => y));
  // peaks of single steps may be cut off, so that they do not press everything else flat
  const all = [...values(false), ...trimmed(values(true))];
  let [low, high] = [Math.min(...all), Math.max(...all)];
  if (whole || (low > least && low - least < 0.4 * (high - least))) low = least;
  // a range that is too narrow would show nothing but noise, and its labels would be all alike
  const missing = Math.max(0.01 * Math.abs(high), 1e-9) - (high - low);
  if (missing > 0) [low, high] = [Math.max(least, low - missing / 2), high + missing / 2];
  const step = roundStep((high - low) / 5);
  const [bottom, top] = [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
  return [Math.max(least, bottom), Math.min(most, top)];
}

/** Without the lowest and the highest fiftieth. */
function trimmed(values: readonly number[]): number[] {
  const cut = Math.floor(values.length / 50);
  return [...values].sort((a, b) => a - b).slice(cut, values.length - cut);
}

/** Most columns in which values are shown; more would be thinner than a pointer. */
const MAX_COLUMNS = 200;

/**
 * Lines over a common axis. Lengths are shares of the available width and height, so that text and strokes keep their size on a
 * phone; the values under the pointer are shown.
 */
export function chart(options: ChartOptions): Html | undefined {
  const { title, xTitle, series, format, xRange, mark } = options;
  const shown = series
    .map((one) => ({ ...one, points: one.points.filter(([, y]) => Number.isFinite(y)) }))
    .filter(({ points }) => points.length > 0);
  if (shown.length === 0) return undefined;
  const [x0, x1] = xRange;
  const [y0, y1] = yRange(shown, options);
  const X = (x: number) => round((100 * (x - x0)) / (x1 - x0));
  const Y = (y: number) => round(100 - (100 * (Math.min(Math.max(y, y0), y1) - y0)) / (y1 - y0));

  const yTicks = ticks(y0, y1, 5);
  const lines = shown.map(({ points, tone, faint }) => {
    const path = points.map(([x, y], i) => `${i === 0 ? "M" : "L"}${X(x)} ${Y(y)}`).join("");
    // a line of no length with round ends is a dot that no scaling makes an ellipse
    const dots = points.length <= 60 ? points.map(([x, y]) => `M${X(x)} ${Y(y)}h0`).join("") : "";
    return [
      points.length > 1 && html`<path class="line ${tone} ${faint ? "faint" : ""}" d="${path}"/>`,
      !faint && dots !== "" && html`<path class="dots ${tone}" d="${dots}"/>`,
    ];
  });
  return html`<figure class="chart"><figcaption>${title}</figcaption>
<div class="legend">${shown.length > 1 && shown.map(({ name, tone, faint }) => html`<span class="${tone} ${faint ? "faint" : ""}">${name}</span>`)}</div>
<div class="plot"><svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="${description(title, shown, format)}">
<path class="grid" d="${yTicks.map((y) => `M0 ${Y(y)}h100`).join("")}"/>${lines}</svg>
${yTicks.map((y) => html`<span class="y" style="top:${Y(y)}%">${format(y)}</span>`)}
${ticks(x0, x1, 6).map((x) => html`<span class="x" style="left:${X(x)}%">${x}</span>`)}
${mark && html`<span class="mark ${X(mark.at[0]) > 50 ? "left" : "right"} ${Y(mark.at[1]) < 50 ? "below" : "above"}" style="left:${X(mark.at[0])}%;top:${Y(mark.at[1])}%"><b>${mark.text}</b></span>`}
${columns(shown, X, Y, xTitle, format)}</div>
<div class="x-title">${xTitle}</div></figure>`;
}

const round = (share: number) => Math.round(share * 100) / 100;

/** What a chart shows, in words. */
function description(title: string, series: readonly Series[], format: (y: number) => string): string {
  const parts = series
    .filter(({ faint }) => !faint)
    .map(({ name, points }) => `${name} from ${format(points[0]![1])} to ${format(points.at(-1)![1])}`);
  return [title, ...parts].join(", ");
}

/** Invisible columns that show all values at their place while the pointer is on them. */
function columns(
  series: readonly Series[],
  X: (x: number) => number,
  Y: (y: number) => number,
  xTitle: string,
  format: (y: number) => string,
): HtmlValue {
  const read = series.filter(({ faint }) => !faint);
  const byX = new Map<number, { name: string; tone: Tone; y: number }[]>();
  for (const { name, tone, points } of read)
    for (const [x, y] of points) byX.set(x, [...(byX.get(x) ?? []), { name, tone, y }]);
  const all = [...byX].sort(([a], [b]) => a - b);
  const every = Math.ceil(all.length / MAX_COLUMNS);
  const kept = all.filter((_, i) => i % every === 0 || i === all.length - 1);
  return kept.map(([x, values], i) => {
    const middle = (other: number | undefined, end: number) => (other === undefined ? end : (X(x) + X(other)) / 2);
    const left = middle(kept[i - 1]?.[0], 0);
    const right = middle(kept[i + 1]?.[0], 100);
    const line = right === left ? 0 : round((100 * (X(x) - left)) / (right - left));
    return html`<div class="column" style="left:${round(left)}%;width:${round(right - left)}%"><span class="guide" style="left:${line}%"></span>${values.map(
      ({ tone, y }) => html`<span class="point ${tone}" style="left:${line}%;top:${Y(y)}%"></span>`,
    )}<div class="values ${X(x) > 50 ? "left" : "right"}"><b>${xTitle} ${Number(x.toPrecision(4))}</b>${values.map(
      ({ name, tone, y }) => html`<span class="${tone}">${name} <b>${format(y)}</b></span>`,
    )}</div></div>`;
  });
}
