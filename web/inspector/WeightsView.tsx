import { useEffect, useRef } from "preact/hooks";
import type { Weights } from "../bench/protocol.ts";
import { theme } from "../state/preferences.ts";
import { t } from "../text/index.ts";
import { diverging } from "../ui/colors.ts";
import { digits, shape } from "../ui/format.ts";

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

/** Columns of filters. */
const COLUMNS = 8;
const GAP = 1;

function Filters({
  filters,
  all,
  depth,
}: {
  readonly filters: NonNullable<Weights["filters"]>;
  readonly all: number;
  readonly depth: number;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [O, C, kH, kW] = filters.shape;
  const isColor = depth === 3;
  useEffect(() => paint(canvas.current!, filters, isColor, theme.value), [filters, isColor, theme.value]);
  if (kH * kW === 1) return null;
  const channels = isColor ? t("filterColors") : t("filterMean", { count: C });
  const label = t("filters", { shown: O, all, channels });
  return (
    <figure>
      <canvas
        ref={canvas}
        role="img"
        aria-label={label}
        style={{ aspectRatio: `${COLUMNS * (kW + GAP) - GAP} / ${Math.ceil(O / COLUMNS) * (kH + GAP) - GAP}` }}
      />
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
  canvas.width = COLUMNS * (kW + GAP) - GAP;
  canvas.height = Math.ceil(O / COLUMNS) * (kH + GAP) - GAP;
  const context = canvas.getContext("2d")!;
  const area = kH * kW;
  for (let o = 0; o < O; o++) {
    const filter = data.subarray(o * C * area, (o + 1) * C * area);
    const pixels = new ImageData(kW, kH);
    const values = isColor ? filter : meanOf(filter, C, area);
    const most = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-12);
    for (let i = 0; i < area; i++) {
      const color = isColor
        ? ([0, 1, 2].map((c) => 127.5 * (1 + values[c * area + i]! / most)) as [number, number, number])
        : diverging(values[i]! / most, theme);
      pixels.data.set([...color, 255], 4 * i);
    }
    context.putImageData(pixels, (o % COLUMNS) * (kW + GAP), Math.floor(o / COLUMNS) * (kH + GAP));
  }
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
