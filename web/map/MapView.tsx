import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { Diagram } from "convnets/draw";
import { useEffect, useRef } from "preact/hooks";
import { go, route } from "../state/route.ts";
import { drawing, hovered, mapWidth, network, nodesOf, problem, rowOf, select, toggle } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { Drawing } from "./Drawing.tsx";
import { heatOf } from "./heat.ts";
import { Journey } from "./Journey.tsx";
import { MapTools } from "./MapTools.tsx";
import { nodeId } from "./NodeView.tsx";
import { View } from "./view.ts";
import { type Arrow, walk } from "./walk.ts";

/** The box that an event is about. */
const idAt = (event: Event): string | undefined =>
  (event.target as Element).closest<SVGGElement>("[data-id]")?.dataset.id;

/** Whether the picture has traveled through a map since the page was opened; once is enough. */
let hasTraveled = matchMedia("(prefers-reduced-motion: reduce)").matches;

/** The drawing of the network: zoom and pan, select, open and close blocks, walk along the lines. */
export function MapView() {
  const svg = useRef<SVGSVGElement>(null);
  const layer = useRef<SVGGElement>(null);
  const view = useRef<View>(null);
  /** The drawing that the picture travels through. */
  const traveled = useSignal<Diagram | undefined>(undefined);
  /** The drawing before this one, and for which network. */
  const before = useRef<{ diagram: Diagram; network: unknown; selected: string | undefined }>(null);

  useEffect(() => {
    view.current = new View(svg.current!, layer.current!);
    const observer = new ResizeObserver(([entry]) => {
      view.current!.resize(entry!.contentRect);
      mapWidth.value = entry!.contentRect.width;
      const diagram = drawing.peek().value;
      if (diagram && !view.current!.moved) view.current!.fit(diagram, false);
    });
    observer.observe(svg.current!);
    return () => observer.disconnect();
  }, []);

  // after a block was opened it stays where it was; another network is shown whole
  useSignalEffect(() => {
    const diagram = drawing.value.value;
    const selected = route.value.selected;
    if (!diagram || !view.current) return;
    const last = before.current;
    before.current = { diagram, network: network.peek().value, selected };
    if (!last || last.network !== network.peek().value || last.diagram.form !== diagram.form) {
      view.current.fit(diagram, false);
      if (!hasTraveled && diagram.form === "boxes") traveled.value = diagram;
      hasTraveled = true;
      const [node] = nodesOf(diagram, selected);
      if (node && node.role !== "input") queueMicrotask(() => view.current?.reveal(node));
      return;
    }
    const [node] = nodesOf(diagram, selected);
    if (last.diagram !== diagram) {
      const [was] = nodesOf(last.diagram, selected);
      if (was && node && view.current.moved) view.current.hold(was, node);
      else if (!view.current.moved) view.current.fit(diagram, false);
      if (node) view.current.reveal(node);
    } else if (node && last.selected !== selected) view.current.reveal(node);
  });

  const keys = (event: KeyboardEvent) => {
    const diagram = drawing.peek().value;
    const { selected } = route.peek();
    if (!diagram || event.ctrlKey || event.metaKey || event.altKey) return;
    const node = nodesOf(diagram, selected)[0];
    const done = (): void => {
      switch (event.key) {
        case "ArrowLeft":
        case "ArrowRight":
        case "ArrowUp":
        case "ArrowDown": {
          const to = walk(diagram, node?.id, event.key as Arrow);
          if (to) select(to);
          break;
        }
        case "Enter":
        case " ":
          if (node?.opens) toggle(node.id);
          break;
        case "Escape":
          select(node?.parent);
          break;
        case "+":
        case "=":
          view.current?.zoomBy(1.3);
          break;
        case "-":
          view.current?.zoomBy(1 / 1.3);
          break;
        case "0":
        case "f":
          view.current?.fit(diagram);
          break;
        default:
          return;
      }
      event.preventDefault();
      event.stopPropagation();
    };
    done();
  };

  const diagram = drawing.value.value;
  const chosen = useComputed(() => new Set(nodesOf(drawing.value.value, route.value.selected).map(({ id }) => id)));
  const over = useComputed(() => new Set(nodesOf(drawing.value.value, hovered.value).map(({ id }) => id)));
  const failing = useComputed(() => new Set(nodesOf(drawing.value.value, problem.value?.path).map(({ id }) => id)));
  const { color } = route.value;
  const [active] = chosen.value;
  const activeId = active === undefined ? undefined : nodeId(active);
  const heat = diagram && color ? heatOf(diagram, color, rowOf) : undefined;

  return (
    <div class={`map${color ? " is-costs" : ""}`}>
      <svg
        ref={svg}
        class="map-canvas"
        tabindex={0}
        role="application"
        id="map"
        aria-activedescendant={activeId}
        aria-label={`${t("map")}. ${t("mapHelp")}`}
        onKeyDown={keys}
        onClick={(event) => {
          const id = idAt(event);
          if (id !== undefined && (event.target as Element).closest("[data-handle]")) toggle(id);
          else select(id);
        }}
        onDblClick={(event) => {
          const id = idAt(event);
          const node = diagram?.nodes.find((one) => one.id === id);
          if (node?.opens) toggle(node.id);
        }}
        onPointerOver={(event) => {
          hovered.value = idAt(event);
        }}
        onPointerLeave={() => {
          hovered.value = undefined;
        }}
      >
        <g ref={layer}>
          {diagram && (
            <Drawing
              diagram={diagram}
              rowOf={rowOf}
              chosen={chosen.value}
              over={over.value}
              failing={failing.value}
              heat={heat}
            />
          )}
          {diagram && traveled.value === diagram && (
            <Journey
              diagram={diagram}
              onEnd={() => {
                traveled.value = undefined;
              }}
            />
          )}
        </g>
      </svg>
      <MapTools view={view} onColor={(next) => go({ color: next })} />
    </div>
  );
}
