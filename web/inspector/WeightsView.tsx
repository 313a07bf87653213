import { useEffect, useRef } from "preact/hooks";
import type { Weights } from "../bench/protocol.ts";
import { theme } from "../state/preferences.ts";
import { t } from "../text/index.ts";
import { diverging } from "../ui/colors.ts";
import { digits, shape } from "../ui/format.ts";
import { inOwnFrame } from "../ui/frames.ts";
import { packed, paintTiles } from "../ui/mosaic.ts";

interface Props {
  readonly weights: Weights;
  readonly source: "random" | "file";
}

/** The weights of a layer: its filters as images, and how its numbers are distributed. */
export function WeightsView({ weights, source }: Props) {
  const { shape: dims, filters, histogram, mean, std } = weights;
  return (
    <section class="weights">
      <header>
        <h3>{t("weights")}</h3>
        <span class="muted">{t(source === "file" ? "fileWeights" : "randomWeights")}</span>
      </header>
      <p class="muted">{shape(dims)}</p>
      {filters && <Filters filters={filters} all={dims[0]!} depth={dims[1]!} />}
      <Histogram histogram={histogram} />
      <p class="moments">
        <span>
          {t("mean")} <b>{digits(mean)}</b>
        </span>
        <span>
          {t("std")} <b>{digits(std)}</b>
        </span>
      </p>
    </section>
  );
}

/** Columns of filters, and pixels of the canvas for a weight and between filters. */
const COLUMNS = 8;
const side = (k: number) => Math.max(2, Math.floor(60 / k));
const GAP = 8;

interface FiltersProps {
  readonly filters: NonNullable<Weights["filters"]>;
  readonly all: number;
  readonly depth: number;
}

/** Filters as images. */
export function Filters({ filters, all, depth }: FiltersProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [O, C, kH, kW] = filters.shape;
  const isColor = depth === 3;
  const isPoint = kH * kW === 1;
  const { value } = theme;
  useEffect(() => {
    const { current } = canvas;
    if (current) inOwnFrame(current, () => paint(current, filters, isColor, value));
  }, [filters, isColor, value]);
  if (isPoint) return null;
  const channels = isColor ? t("filterColors") : t("filterMean", { count: C });
  const label = t("filters", { shown: O, all, channels });
  return (
    <figure>
      <canvas ref={canvas} role="img" aria-label={label} />
      <figcaption class="muted">{label}</figcaption>
    </figure>
  );
}

/** Each filter scaled by its own largest weight; of three channels as colors, else their mean around a neutral middle. */
function paint(
  canvas: HTMLCanvasElement,
  { shape, data }: NonNullable<Weights["filters"]>,
  isColor: boolean,
  theme: "light" | "dark",
): void {
  const [O, C, kH, kW] = shape;
  const [h, w] = [side(kH), side(kW)];
  const area = kH * kW;
  const colors = new Uint32Array(O * area);
  for (let o = 0; o < O; o++) {
    const filter = data.subarray(o * C * area, (o + 1) * C * area);
    const values = isColor ? filter : meanOf(filter, C, area);
    const most = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-12);
    for (let i = 0; i < area; i++)
      colors[o * area + i] = packed(
        isColor
          ? [0, 1, 2].map((c) => 127.5 * (1 + values[c * area + i]! / most))
          : diverging(values[i]! / most, theme),
      );
  }
  const tiles = { count: O, columns: COLUMNS, width: kW * w, height: kH * h, gap: GAP };
  paintTiles(canvas, tiles, (o, x, y) => colors[o * area + Math.floor(y / h) * kW + Math.floor(x / w)]!);
}

function meanOf(filter: Float32Array, C: number, area: number): Float32Array {
  const mean = new Float32Array(area);
  for (let c = 0; c < C; c++) for (let i = 0; i < area; i++) mean[i]! += filter[c * area + i]! / C;
  return mean;
}

function Histogram({ histogram: { from, to, counts } }: { readonly histogram: Weights["histogram"] }) {
  const most = Math.max(1, ...counts);
  const [width, height] = [240, 56];
  const step = width / counts.length;
  const zero = to > from ? (-from / (to - from)) * width : -1;
  const label = t("histogramLabel", { from: digits(from), to: digits(to) });
  return (
    <figure class="histogram">
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label} preserveAspectRatio="none">
        {counts.map((count, i) => (
          <rect
            key={i}
            x={i * step + 0.5}
            width={step - 1}
            y={height - (height * count) / most}
            height={(height * count) / most}
          />
        ))}
        {zero >= 0 && zero <= width && <path d={`M${zero} 0V${height}`} />}
      </svg>
      <figcaption class="muted">
        <span>{digits(from)}</span>
        <span>{digits(to)}</span>
      </figcaption>
    </figure>
  );
}
