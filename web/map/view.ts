/** Zooming and panning of the map. */
import { signal } from "@preact/signals";
import type { Diagram, DiagramNode } from "convnets/draw";
import { select } from "d3-selection";
import { type D3ZoomEvent, type ZoomBehavior, type ZoomTransform, zoom, zoomIdentity, zoomTransform } from "d3-zoom";
import { interpolateZoom } from "./movement.ts";

const SCALES = [0.08, 6] as const;
const FIT = { right: 0.42, down: 0.8, most: 1.4 } as const;
/** Room at the borders, where the path, the legend and the buttons are. */
const MARGIN = { x: 20, top: 50, bottom: 56 } as const;
/** Height in pixels below which a window is low, and its borders. */
const LOW = 420;
const LOW_MARGIN = { x: 16, top: 12, bottom: 12 } as const;
/** Milliseconds of a movement; none for those who asked for less motion. */
const DURATION = 180;

/** Of a window that has no size yet. */
const USUAL = { width: 800, height: 500 } as const;

const sizeOf = ({ clientWidth, clientHeight }: SVGSVGElement) => ({
  width: clientWidth || USUAL.width,
  height: clientHeight || USUAL.height,
});

const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Scale of the map, for what has to keep its size. */
export const scale = signal(1);

/** The part of the map that is seen: how it is moved by pointer, wheel and touch, and by the page. */
export class View {
  readonly #svg: SVGSVGElement;
  readonly #zoom: ZoomBehavior<SVGSVGElement, unknown>;
  /** Whether somebody moved the map since it was fitted. */
  moved = false;
  /** Another map that is moved along by pointer, wheel and touch. */
  twin: View | undefined;
  #last: ZoomTransform = zoomIdentity;
  /** The next frame of a movement. */
  #frame = 0;
  #size: { readonly width: number; readonly height: number } | undefined;

  constructor(svg: SVGSVGElement, layer: SVGGElement) {
    this.#svg = svg;
    this.#zoom = zoom<SVGSVGElement, unknown>()
      .scaleExtent([...SCALES])
      .clickDistance(5)
      // also while another panel replaces the map, when its size in per cent means nothing
      .extent(() => {
        const { width, height } = this.#room();
        return [
          [0, 0],
          [width, height],
        ];
      })
      .on("zoom", ({ transform, sourceEvent }: D3ZoomEvent<SVGSVGElement, unknown>) => {
        layer.setAttribute("transform", String(transform));
        scale.value = transform.k;
        if (sourceEvent) {
          cancelAnimationFrame(this.#frame);
          this.moved = true;
          this.twin?.follow(this.#last, transform);
        }
        this.#last = transform;
      });
    select(svg).call(this.#zoom).on("dblclick.zoom", null);
  }

  get transform(): ZoomTransform {
    return zoomTransform(this.#svg);
  }

  /** Moves as another map moved, on the screen. */
  follow(from: ZoomTransform, to: ZoomTransform): void {
    const factor = to.k / from.k;
    const { k, x, y } = this.transform;
    const moved = zoomIdentity.translate(factor * x + to.x - factor * from.x, factor * y + to.y - factor * from.y);
    this.#to(moved.scale(factor * k), false);
    this.moved = true;
  }

  /** Zooms about the middle, and the other map as well. */
  zoomBy(factor: number, { alone = false } = {}): void {
    if (!alone) this.twin?.zoomBy(factor, { alone: true });
    const { width, height } = this.#room();
    const [least, most] = SCALES;
    const now = this.transform;
    const k = Math.min(most, Math.max(least, now.k * factor));
    const about = (middle: number, offset: number) => middle - ((middle - offset) * k) / now.k;
    this.#to(zoomIdentity.translate(about(width / 2, now.x), about(height / 2, now.y)).scale(k), true);
    this.moved = true;
  }

  /** Shows the whole drawing; one that is much taller than the window from its beginning. */
  fit({ width, height, direction }: Diagram, smooth = true): void {
    const room = this.#room();
    // a low window, as in Look inside, is to choose in rather than to read in: it shows everything
    const isLow = room.height < LOW && direction === "right";
    const margin = isLow ? LOW_MARGIN : MARGIN;
    const inner = [room.width - 2 * margin.x, room.height - margin.top - margin.bottom] as const;
    const whole = Math.min(inner[0] / width, inner[1] / height, Math.max(FIT.most, room.width / 1500));
    const k = isLow ? whole : Math.max(whole, Math.min(FIT[direction], inner[0] / width));
    const x = Math.max(margin.x, (room.width - width * k) / 2);
    const y = margin.top + Math.max(0, (inner[1] - height * k) / 2);
    this.#to(zoomIdentity.translate(x, y).scale(k), smooth);
    this.moved = false;
  }

  /** Moves a box to where another was, without a visible jump. */
  hold(before: DiagramNode, after: DiagramNode): void {
    const { k, x, y } = this.transform;
    this.#to(zoomIdentity.translate(x + (before.x - after.x) * k, y + (before.y - after.y) * k).scale(k), false);
  }

  /** Brings a box into sight, and zooms out if it is larger than the window. */
  reveal({ x, y, width, height }: DiagramNode): void {
    const room = this.#room();
    const now = this.transform;
    const fitting = Math.min((room.width - 2 * MARGIN.x) / width, (room.height - MARGIN.top - MARGIN.bottom) / height);
    const k = Math.min(Math.max(now.k, room.height < LOW ? 0 : 0.45), fitting);
    const scaled = k === now.k ? now : zoomIdentity.translate(now.x, now.y).scale(k);
    const [left, top] = [scaled.applyX(x), scaled.applyY(y)];
    const shift = (start: number, length: number, low: number, high: number) =>
      start < low ? low - start : Math.min(0, high - (start + length));
    const dx = shift(left, width * k, MARGIN.x, room.width - MARGIN.x);
    const dy = shift(top, height * k, MARGIN.top, room.height - MARGIN.bottom);
    if (dx !== 0 || dy !== 0 || k !== now.k)
      this.#to(zoomIdentity.translate(scaled.x + dx, scaled.y + dy).scale(k), true);
  }

  /** Reading it from the page would make the browser lay out everything that was drawn just before. */
  #room(): { readonly width: number; readonly height: number } {
    this.#size ??= sizeOf(this.#svg);
    return this.#size;
  }

  /** Takes the size of the window in pixels, as an observer reports it. */
  resize({ width, height }: { readonly width: number; readonly height: number }): void {
    this.#size = { width: width || USUAL.width, height: height || USUAL.height };
  }

  #to(transform: ZoomTransform, smooth: boolean): void {
    cancelAnimationFrame(this.#frame);
    const show = (to: ZoomTransform) => select(this.#svg).call(this.#zoom.transform, to);
    if (!smooth || calm.matches) {
      show(transform);
      return;
    }
    const { width, height } = this.#room();
    // the part of the drawing that is seen: its middle and its width
    const seen = ({ k, x, y }: ZoomTransform) => [(width / 2 - x) / k, (height / 2 - y) / k, width / k] as const;
    const between = interpolateZoom(seen(this.transform), seen(transform));
    const start = performance.now();
    const next = (time: number): void => {
      const done = Math.min(1, Math.max(0, (time - start) / DURATION));
      if (done === 1) {
        show(transform);
        return;
      }
      const [x, y, w] = between(1 - (1 - done) ** 3);
      const k = width / w;
      show(zoomIdentity.translate(width / 2 - x * k, height / 2 - y * k).scale(k));
      this.#frame = requestAnimationFrame(next);
    };
    this.#frame = requestAnimationFrame(next);
  }
}
