/**
 * A model of scaling: step = compute + communication, as sums are sent after the backward pass.
 *
 *     communication = 2·(n − 1)·latency + 2·(n − 1)/n · bytes / bandwidth
 */

/** What is measured once. */
export interface Link {
  /** Seconds per message. */
  readonly latency: number;
  /** Bytes per second that a rank sends and receives, its additions included. */
  readonly bandwidth: number;
}

/** Seconds for the sum of so many bytes over n ranks. */
export function communication(bytes: number, n: number, { latency, bandwidth }: Link): number {
  return n === 1 ? 0 : 2 * (n - 1) * latency + (2 * (n - 1) * bytes) / (n * bandwidth);
}

/** The link that explains the times of sums over n ranks best: a line through the seconds over the bytes. */
export function fitted(sums: Readonly<Record<string, number>>, n: number): Link {
  const points = Object.entries(sums).map(([floats, seconds]) => [4 * Number(floats), seconds] as const);
  const mean = (of: (point: readonly [number, number]) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [bytes, seconds] = [mean(([x]) => x), mean(([, y]) => y)];
  const slope = mean(([x, y]) => (x - bytes) * (y - seconds)) / mean(([x]) => (x - bytes) ** 2);
  const start = Math.max(seconds - slope * bytes, Math.min(...points.map(([, y]) => y)));
  return { latency: start / (2 * (n - 1)), bandwidth: (2 * (n - 1)) / n / slope };
}
