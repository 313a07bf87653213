/** Lines over a common axis as a self-contained SVG: what a report needs of a chart, and no more. */
export interface Series {
  readonly name: string;
  /** CSS colour. */
  readonly color: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly faint?: boolean;
}

export interface ChartOptions {
  readonly title: string;
  readonly xTitle: string;
  readonly percent?: boolean;
  /** Ends of the y axis; taken from the points where left out. */
  readonly range?: readonly [number, number];
  /** Ends of the x axis; likewise. */
  readonly xRange?: readonly [number, number];
}

const [WIDTH, HEIGHT] = [640, 300];
const [LEFT, RIGHT, TOP, BOTTOM] = [58, 14, 34, 40];

/** Round steps that cut a range into about `count` parts. */
export function ticks(low: number, high: number, count = 5): number[] {
  const span = high - low || 1;
  const raw = span / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= raw)!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

export function chart(
  series: readonly Series[],
  { title, xTitle, percent = false, range, xRange }: ChartOptions,
): string {
  const shown = series.filter(({ points }) => points.length > 0);
  const points = shown.flatMap((one) => one.points).filter(([, y]) => Number.isFinite(y));
  if (points.length === 0) return "";
  const ends = (axis: 0 | 1) => {
    let [low, high] = [Infinity, -Infinity];
    for (const point of points) [low, high] = [Math.min(low, point[axis]), Math.max(high, point[axis])];
    return low === high
      ? [low - (low === 0 ? 1 : Math.abs(low) / 10), high + (high === 0 ? 1 : Math.abs(high) / 10)]
      : [low, high];
  };
  const [x0, x1] = xRange ?? (ends(0) as [number, number]);
  const [y0, y1] = range ?? (ends(1) as [number, number]);
  const X = (x: number) => LEFT + ((x - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT);
  const Y = (y: number) =>
    HEIGHT - BOTTOM - ((Math.min(Math.max(y, y0), y1) - y0) / (y1 - y0)) * (HEIGHT - TOP - BOTTOM);
  const label = (y: number) => (percent ? `${+(100 * y).toPrecision(4)} %` : String(y));
  const grid = ticks(y0, y1).map(
    (y) =>
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${Y(y)}" y2="${Y(y)}"/><text x="${LEFT - 8}" y="${Y(y) + 4}" text-anchor="end">${label(y)}</text>`,
  );
  const base = ticks(x0, x1, 8).map(
    (x) => `<text x="${X(x)}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${x}</text>`,
  );
  const lines = shown.map(({ points, color, faint }) => {
    const path = points.filter(([, y]) => Number.isFinite(y)).map(([x, y]) => `${X(x).toFixed(1)},${Y(y).toFixed(1)}`);
    return `<polyline points="${path.join(" ")}" fill="none" stroke="${color}" stroke-width="${faint ? 1 : 2}"${faint ? ' opacity="0.35"' : ""}/>`;
  });
  const dots = shown.flatMap(({ name, points, color, faint }) =>
    faint || points.length > 100
      ? []
      : points.map(
          ([x, y]) =>
            `<circle cx="${X(x).toFixed(1)}" cy="${Y(y).toFixed(1)}" r="3" fill="${color}"><title>${escapeXml(name)}: ${label(Number(y.toPrecision(4)))} at ${x}</title></circle>`,
        ),
  );
  let at = LEFT;
  const legend = shown.map(({ name, color }) => {
    const item = `<rect x="${at}" y="12" width="14" height="4" fill="${color}"/><text x="${at + 20}" y="18">${escapeXml(name)}</text>`;
    at += 44 + name.length * 7;
    return item;
  });
  return `<figure><figcaption>${escapeXml(title)}</figcaption><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeXml(title)}">${[...grid, ...base, ...lines, ...dots, ...legend].join("")}<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 4}" text-anchor="middle">${escapeXml(xTitle)}</text></svg></figure>`;
}
