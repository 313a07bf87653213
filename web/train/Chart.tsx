import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { theme } from "../state/preferences.ts";
import { t } from "../text/index.ts";
import { inOwnFrame } from "../ui/frames.ts";
import type { Line } from "./series.ts";

/** A line with its name and its look. */
export interface Drawn extends Line {
  readonly name: string;
  /** Custom property of its color. */
  readonly color: string;
  readonly width?: number;
  readonly dash?: readonly number[];
  readonly dots?: boolean;
  /** In the background, and not in the legend. */
  readonly faint?: boolean;
}

interface Props {
  readonly title: string;
  readonly lines: readonly Drawn[];
  /** Right end of the x axis, in epochs. */
  readonly end: number;
  readonly format: (value: number) => string;
  /** Upper end of the y axis at least, and at most. */
  readonly most?: number;
  /** Whether the y axis always ends at `most`, so that charts side by side have one scale. */
  readonly fixed?: boolean;
}

const HEIGHT = 210;

/** A chart that follows its data; under the pointer it shows the values of a moment, else the last ones. */
export function Chart({ title, lines, end, format, most, fixed = false }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const at = useSignal<number | undefined>(undefined);
  const shape = lines.map(({ name, color, dash }) => `${name} ${color} ${dash}`).join();

  useEffect(() => {
    const element = box.current!;
    const made = new uPlot(optionsOf(element, { lines, end, format, most, fixed, at }), dataOf(lines), element);
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape, end, theme.value, title]);

  useEffect(() => {
    const { current } = plot;
    if (!current) return;
    inOwnFrame(current, () => {
      if (plot.current === current) current.setData(dataOf(lines));
    });
  }, [lines]);

  const shown = lines.filter(({ faint }) => !faint);
  const values = shown.map(({ name, x, y }) => {
    const moment = at.value ?? Number.POSITIVE_INFINITY;
    const i = x.findLastIndex((one) => one <= moment + 1e-9);
    return { name, value: i < 0 ? "–" : format(y[i]!) };
  });
  const facts = values.map(({ name, value }) => `${name} ${value}`).join(", ");
  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        <span class="chart-legend">
          {shown.map(({ name, color, dash }, i) => (
            <span key={name}>
              <i class={dash ? "is-dashed" : ""} style={{ "--line-color": `var(${color})` }} />
              {name} <b>{values[i]!.value}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={box} role="img" aria-label={t("trainChartLabel", { title, facts })} />
    </figure>
  );
}

/** All lines over one x axis; where a line has no point, there is none. */
function dataOf(lines: readonly Drawn[]): uPlot.AlignedData {
  const all = [...new Set(lines.flatMap(({ x }) => x))].sort((a, b) => a - b);
  const columns = lines.map(({ x, y }) => {
    const known = new Map(x.map((one, i) => [one, y[i]!]));
    return all.map((one) => known.get(one) ?? null);
  });
  return [all, ...columns] as uPlot.AlignedData;
}

function optionsOf(
  element: HTMLElement,
  {
    lines,
    end,
    format,
    most,
    fixed,
    at,
  }: Pick<Props, "lines" | "end" | "format"> & {
    readonly most: number | undefined;
    readonly fixed: boolean;
    readonly at: { value: number | undefined };
  },
): uPlot.Options {
  const style = getComputedStyle(element);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const font = `11.5px ${style.fontFamily}`;
  const axis = { stroke: color("--muted"), font, ticks: { show: false } };
  const rule = color("--rule");
  return {
    width: Math.max(200, element.clientWidth),
    height: HEIGHT,
    // the last number of the x axis is half behind its end
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      x: { time: false, range: () => [0, end] },
      y: { range: (_, low, high) => (fixed && most !== undefined ? [0, most] : rangeOf(low, high, most)) },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 28, values: (_, ticks) => ticks.map((tick) => String(tick)) },
      { ...axis, grid: { stroke: rule, width: 1 }, size: 48, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      ...lines.map(
        ({ name, color: variable, width = 2, dash, dots = false, faint }): uPlot.Series => ({
          ...{ label: name, stroke: color(variable), width: width / devicePixelRatio, spanGaps: true },
          ...(dash && { dash: [...dash] }),
          ...(faint && { alpha: 0.32 }),
          points: { show: dots, size: 6, fill: color("--card"), width: 2 },
        }),
      ),
    ],
    hooks: {
      setCursor: [
        ({ cursor: { idx }, data: [x] }) => {
          at.value = idx === null || idx === undefined ? undefined : x[idx];
        },
      ],
    },
  };
}

function rangeOf(low: number | null, high: number | null, most: number | undefined): [number, number] {
  if (low === null || high === null || !Number.isFinite(high)) return [0, most ?? 1];
  const top = most === undefined ? high * 1.05 : Math.min(most, high + 0.05);
  return [0, Math.max(top, 1e-6)];
}
