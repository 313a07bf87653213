import { BAND } from "../layout/measure.ts";
import type { Box, Direction } from "../layout/scene.ts";
import { n } from "./wires.ts";

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element of an SVG document. */
export interface DrawnShape {
  readonly tag: "rect" | "ellipse" | "path";
  readonly attributes: Attributes;
}

const shape = (tag: DrawnShape["tag"], attributes: Attributes): DrawnShape => ({ tag, attributes });

/** What a box looks like, without its texts. The classes are those of the style sheet in `theme.ts`. */
export function shapesOf(box: Box, direction: Direction): DrawnShape[] {
  const { form, item, x, y, width, height } = box;
  const rect = (name: string, rx: number) => shape("rect", { class: name, x, y, width, height, rx });
  switch (form) {
    case "frame":
      return [rect("frame", 10)];
    case "block":
      return [
        rect(item.kind ? `block ${item.kind}` : "block", 8),
        ...(box.miniature ?? []).map((small) => drawSmall(small)),
      ];
    case "end":
      return [rect("end", height / 2)];
    case "sum":
      return [
        shape("ellipse", { class: item.kind, cx: x + width / 2, cy: y + height / 2, rx: width / 2, ry: height / 2 }),
        ...ring(box),
      ];
    case "bar":
    case "layer":
      return [rect(item.kind ?? "other", 5), ...bands(box, direction)];
    case "volume":
      return volume(box);
    default:
      return form satisfies never;
  }
}

/** The layers folded into one, as stripes on the side where the data leaves it. */
function bands({ item, x, y, width, height }: Box, direction: Direction): DrawnShape[] {
  return item.folded.map(({ kind }, i) => {
    const inset = BAND * (item.folded.length - i) + 1;
    return direction === "right"
      ? shape("rect", {
          class: `band ${kind}`,
          x: x + width - inset,
          y: y + 3,
          width: BAND - 1,
          height: height - 6,
          rx: 1,
        })
      : shape("rect", {
          class: `band ${kind}`,
          x: x + 5,
          y: y + height - inset,
          width: width - 10,
          height: BAND - 2,
          rx: 1,
        });
  });
}

/** An activation after a sum, as a ring around it. */
function ring({ item, x, y, width, height }: Box): DrawnShape[] {
  return item.folded.map(({ kind }) =>
    shape("ellipse", { class: `ring ${kind}`, cx: x + width / 2, cy: y + height / 2, rx: width / 2, ry: height / 2 }),
  );
}

function drawSmall({ form, item, x, y, width, height }: Box): DrawnShape {
  const rx = form === "sum" ? height / 2 : 1;
  return shape("rect", { class: `small ${item.kind ?? "other"}`, x, y, width, height, rx });
}

/** A solid seen from the front, slightly from above and the right; the layers folded in are slices at its right. */
function volume({ item, x, y, width, height, depth = 0 }: Box): DrawnShape[] {
  const kind = item.kind ?? "join";
  const bands = item.folded.map((face) => face.kind);
  const body = width - BAND * bands.length;
  const rise = depth / 2;
  const front = (left: number, wide: number) => `M${n(left)} ${n(y)}h${n(wide)}v${n(height)}h${n(-wide)}z`;
  const top = (left: number, wide: number) =>
    `M${n(left)} ${n(y)}l${n(depth)} ${n(-rise)}h${n(wide)}l${n(-depth)} ${n(rise)}z`;
  const right = x + width;
  const side = `M${n(right)} ${n(y)}l${n(depth)} ${n(-rise)}v${n(height)}l${n(-depth)} ${n(rise)}z`;
  const path = (name: string, d: string) => shape("path", { class: name, d });
  return [
    path(kind, side),
    path("shade", side),
    path(kind, top(x, width)),
    path("gleam", top(x, width)),
    path(kind, front(x, width)),
    ...bands.flatMap((band, i) => {
      const left = x + body + BAND * i;
      return [path(`slice ${band}`, top(left, BAND)), path(`slice ${band}`, front(left, BAND))];
    }),
    path(`outline ${kind}`, front(x, width)),
  ];
}
