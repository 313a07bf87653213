/*
 * Stands in for d3-transition and d3-interpolate, of which d3-zoom needs these two functions, and which would be a third of the code of a
 * map. `View` moves the map itself.
 */
import { selection } from "d3-selection";

/** The middle of what is seen, and its width. */
type Seen = readonly [x: number, y: number, width: number];

/** From one part of a drawing to another: the width changes by the same factor all the way, and the middle as it does. */
export const interpolateZoom =
  ([x, y, width]: Seen, [toX, toY, toWidth]: Seen) =>
  (share: number): Seen => {
    const now = width * (toWidth / width) ** share;
    const way = Math.abs(toWidth - width) < 1e-6 * width ? share : (now - width) / (toWidth - width);
    return [x + (toX - x) * way, y + (toY - y) * way, now];
  };

/** There are no transitions to stop. */
export const interrupt = (): void => undefined;

Object.assign(selection.prototype, {
  interrupt(this: unknown) {
    return this;
  },
});
