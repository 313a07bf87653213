import type { Scene, Text } from "../layout/scene.ts";
import { roundRect, type Segment, segmentsOf } from "./segments.ts";
import { type DrawnShape, shapesOf } from "./shapes.ts";
import { allColors } from "./theme.ts";
import { wirePaths } from "./wires.ts";

/** A path with its colors, which are names in the palette or plain ones. All positions are in pixels, y downwards. */
export interface Stroke {
  readonly segments: readonly Segment[];
  readonly fill?: string;
  /** From 0 to 1. Default 1. */
  readonly opacity?: number;
  readonly stroke?: string;
  readonly width: number;
  readonly dashed: boolean;
}

/** A scene as paths in the order of painting, and its texts, for formats that know no style sheets. */
export function strokesOf(scene: Scene, theme: "light" | "dark"): { strokes: Stroke[]; texts: Text[] } {
  const palette = allColors(theme);
  const { width, height, direction, boxes, wires, brackets, legend, texts } = scene;
  const path = (d: string) => segmentsOf(d);
  const plain = { width: 1, dashed: false };
  const line = (d: string): Stroke => ({ ...plain, segments: path(d), stroke: palette.line, width: 1.4 });
  const shape = (one: DrawnShape) => strokeOf(one, palette, theme === "dark");
  const ofForm = (isFrame: boolean) =>
    boxes.filter(({ form }) => (form === "frame") === isFrame).flatMap((box) => shapesOf(box, direction).map(shape));
  return {
    strokes: [
      { ...plain, segments: roundRect(-1, -1, width + 2, height + 2, 0), fill: palette.page },
      ...ofForm(true),
      ...wires.flatMap((wire): Stroke[] => {
        const { line: d, tip } = wirePaths(wire, direction);
        return [line(d), ...(tip ? [{ ...plain, segments: path(tip), fill: palette.line }] : [])];
      }),
      ...ofForm(false),
      ...brackets.map(({ x, y, width }) => line(`M${x} ${y - 5}v5h${width}v-5`)),
      ...legend.map(({ kind, ...place }) => shape({ tag: "rect", attributes: { class: kind, ...place, rx: 3 } })),
    ],
    texts: [...boxes.flatMap((box) => box.texts), ...texts],
  };
}

/** What the style sheet of an SVG document says of a shape, by its classes. */
function strokeOf({ tag, attributes }: DrawnShape, palette: ReturnType<typeof allColors>, dark: boolean): Stroke {
  const [first = "", second = ""] = String(attributes.class).split(" ");
  const at = (key: string) => Number(attributes[key] ?? 0);
  const segments =
    tag === "path"
      ? segmentsOf(String(attributes.d))
      : tag === "rect"
        ? roundRect(at("x"), at("y"), at("width"), at("height"), at("rx"))
        : roundRect(at("cx") - at("rx"), at("cy") - at("ry"), 2 * at("rx"), 2 * at("ry"), at("rx"), at("ry"));
  const color = (name: string) => palette[name]!;
  const base = { segments, width: 1, dashed: first === "dropout" || second === "dropout" };
  switch (first) {
    case "frame":
      return { ...base, fill: palette.frame, stroke: palette.rim };
    case "block":
      return second
        ? { ...base, fill: color(`${second}-face`), stroke: color(`${second}-edge`) }
        : { ...base, fill: palette.block, stroke: palette.line };
    case "end":
      return { ...base, fill: palette.page, stroke: palette.line };
    case "band":
    case "slice":
      return { ...base, dashed: false, fill: color(`${second}-edge`) };
    case "ring":
      return { ...base, dashed: false, stroke: color(`${second}-edge`), width: 3 };
    case "outline":
      return { ...base, stroke: color(`${second}-edge`) };
    case "shade":
      return { ...base, fill: "#000000", opacity: 0.12 };
    case "gleam":
      return { ...base, fill: "#ffffff", opacity: dark ? 0.1 : 0.4 };
    case "small":
      return { ...base, fill: color(`${second}-face`), stroke: color(`${second}-edge`), width: 0.7 };
    default:
      return { ...base, fill: color(`${first}-face`), stroke: color(`${first}-edge`) };
  }
}
