/** The picture on its way through the map, as the page opens: it follows the lines, and is as small on them as the maps are. */
import type { Diagram } from "convnets/draw";
import { useEffect, useRef } from "preact/hooks";
import { SAMPLES } from "../look/samples.ts";

/** Milliseconds from the input to the output, at most, and for one step of it. */
const WHOLE = 3600;
const STEP = 260;
/** Side in pixels on the input, and at least. */
const SIDE = 30;
const LEAST = 9;

interface Leg {
  readonly line: string;
  /** Which step of the way it is, counted from 0. */
  readonly step: number;
  /** Pixels of the maps on it. */
  readonly pixels: number;
}

/** The lines in the order in which data flow over them: each after the longest way to its start. */
function legsOf({ edges, links, nodes }: Diagram): Leg[] {
  const depth = new Map<string, number>();
  for (let changed = true, round = 0; changed && round < nodes.length; round++) {
    changed = false;
    for (const [from, to] of links) {
      const next = (depth.get(from) ?? 0) + 1;
      if (next > (depth.get(to) ?? 0)) {
        depth.set(to, next);
        changed = true;
      }
    }
  }
  const sizes = new Map(nodes.map(({ id, shape }) => [id, Number(shape[1] ?? 1)]));
  return edges.flatMap(({ from, to, line }) => {
    if (from === undefined || to === undefined) return [];
    return [{ line, step: depth.get(from) ?? 0, pixels: sizes.get(from) ?? 1 }];
  });
}

/** Shows it once, and calls `onEnd` then. */
export function Journey({ diagram, onEnd }: { readonly diagram: Diagram; readonly onEnd: () => void }) {
  const group = useRef<SVGGElement>(null);
  useEffect(() => {
    const legs = legsOf(diagram);
    const steps = Math.max(1, ...legs.map(({ step }) => step + 1));
    const each = Math.min(STEP, WHOLE / steps);
    const most = Math.max(1, ...legs.map(({ pixels }) => pixels));
    const pictures = new Map<number, string>();
    const running = legs.map(({ line, step, pixels }) => {
      if (!pictures.has(pixels)) pictures.set(pixels, pictureOf(pixels));
      const side = Math.max(LEAST, SIDE * Math.sqrt(pixels / most));
      const image = document.createElementNS("http://www.w3.org/2000/svg", "image");
      const attributes = { href: pictures.get(pixels)!, x: -side / 2, y: -side / 2, width: side, height: side };
      for (const [name, value] of Object.entries(attributes)) image.setAttribute(name, String(value));
      image.style.offsetPath = `path("${line}")`;
      group.current!.append(image);
      return image.animate(
        [
          { offsetDistance: "0%", opacity: 0 },
          { opacity: 1, offset: 0.15 },
          { opacity: 1, offset: 0.85 },
          { offsetDistance: "100%", opacity: 0 },
        ],
        { duration: each * 1.15, delay: 300 + step * each, fill: "both", easing: "linear" },
      );
    });
    Promise.all(running.map(({ finished }) => finished)).then(onEnd, () => undefined);
    return () => {
      for (const one of running) one.cancel();
    };
  }, []);
  return <g ref={group} class="journey" aria-hidden="true" />;
}

/** The sample picture with so many pixels a side. */
function pictureOf(pixels: number): string {
  const side = Math.max(1, Math.min(64, pixels));
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  SAMPLES.cat(canvas.getContext("2d")!, side);
  return canvas.toDataURL();
}
