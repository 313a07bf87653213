import { useComputed, useSignalEffect } from "@preact/signals";
import type { Diagram, DiagramNode } from "convnets/draw";
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../text/map.ts";
import { Drawing } from "./Drawing.tsx";
import { type Mark, nodeId } from "./NodeView.tsx";
import { nodesOf } from "./nodes.ts";
import { View } from "./view.ts";
import { type Arrow, walk } from "./walk.ts";

interface Props {
  readonly id: string;
  /** What is drawn, in words, if there are several maps. */
  readonly name?: string;
  readonly view: RefObject<View | null>;
  /** What is drawn; like the next three, it may read signals, which the map follows. */
  readonly drawing: () => Diagram | undefined;
  /** Whose drawing it is: another one's is shown whole. */
  readonly owner: () => unknown;
  readonly selected: () => string | undefined;
  readonly hovered: () => string | undefined;
  readonly onSelect: (id: string | undefined) => void;
  readonly onToggle: (id: string) => void;
  readonly onHover: (id: string | undefined) => void;
  /** Width in pixels that the map has. */
  readonly onWidth?: (width: number) => void;
  /** Another one's drawing is shown for the first time. */
  readonly onShown?: (diagram: Diagram) => void;
  readonly failing?: ReadonlySet<string>;
  readonly heat?: ReadonlyMap<string, number> | undefined;
  /** How boxes differ from those of another network. */
  readonly marks?: ReadonlyMap<string, Mark>;
  /** Starts ids of elements, where a page has several maps. */
  readonly prefix?: string;
  /** What lies on the boxes. */
  readonly children?: ComponentChildren;
}

/** The box that an event is about. */
const idAt = (event: Event): string | undefined =>
  (event.target as Element).closest<SVGGElement>("[data-id]")?.dataset.id;

const idsOf = (nodes: readonly DiagramNode[]): ReadonlySet<string> => new Set(nodes.map(({ id }) => id));

/** A drawing to zoom and pan, whose boxes are selected and opened by pointer and keys; the arrow keys walk along its lines. */
export function MapCanvas(props: Props) {
  const { id, name, view, drawing, owner, selected, onSelect, onToggle, onHover, prefix = "", children } = props;
  const svg = useRef<SVGSVGElement>(null);
  const layer = useRef<SVGGElement>(null);
  /** The drawing before this one, and for which network. */
  const before = useRef<{ diagram: Diagram; owner: unknown; selected: string | undefined }>(null);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const made = new View(svg.current!, layer.current!);
    view.current = made;
    const observer = new ResizeObserver(([entry]) => {
      made.resize(entry!.contentRect);
      latest.current.onWidth?.(entry!.contentRect.width);
      const { diagram, selected } = before.current ?? {};
      if (diagram && !made.moved) made.fit(diagram, false);
      const [node] = nodesOf(diagram, selected);
      if (node && node.role !== "input") made.reveal(node);
    });
    observer.observe(svg.current!);
    return () => observer.disconnect();
  }, []);

  // after a block was opened it stays where it was; another network is shown whole
  useSignalEffect(() => {
    const diagram = drawing();
    const id = selected();
    if (!diagram || !view.current) return;
    const last = before.current;
    before.current = { diagram, owner: owner(), selected: id };
    const [node] = nodesOf(diagram, id);
    if (!last || last.owner !== before.current.owner || last.diagram.form !== diagram.form) {
      view.current.fit(diagram, false);
      latest.current.onShown?.(diagram);
      if (node && node.role !== "input") queueMicrotask(() => view.current?.reveal(node));
    } else if (last.diagram !== diagram) {
      const [was] = nodesOf(last.diagram, id);
      if (was && node && view.current.moved) view.current.hold(was, node);
      else if (!view.current.moved) view.current.fit(diagram, false);
      if (node) view.current.reveal(node);
    } else if (node && last.selected !== id) view.current.reveal(node);
  });

  const keys = (event: KeyboardEvent) => {
    const diagram = before.current?.diagram;
    if (!diagram || event.ctrlKey || event.metaKey || event.altKey) return;
    // what is selected, not what was drawn last: keys may come faster than drawings
    const [node] = nodesOf(diagram, selected());
    const { key } = event;
    if (key.startsWith("Arrow")) {
      const to = walk(diagram, node?.id, key as Arrow);
      if (to) onSelect(to);
    } else if (key === "Enter" || key === " ") {
      if (node?.opens) onToggle(node.id);
    } else if (key === "Escape") onSelect(node?.parent);
    else if (key === "+" || key === "=") view.current?.zoomBy(1.3);
    else if (key === "-") view.current?.zoomBy(1 / 1.3);
    else if (key === "0" || key === "f") view.current?.fit(diagram);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const diagram = drawing();
  const chosen = useComputed(() => idsOf(nodesOf(drawing(), selected())));
  const over = useComputed(() => idsOf(nodesOf(drawing(), props.hovered())));
  const [active] = chosen.value;
  return (
    <svg
      ref={svg}
      class="map-canvas"
      tabindex={0}
      role="application"
      id={id}
      aria-activedescendant={active === undefined ? undefined : prefix + nodeId(active)}
      aria-label={`${t("map")}${name === undefined ? "" : `: ${name}`}. ${t("mapHelp")}`}
      onKeyDown={keys}
      onClick={(event) => {
        const at = idAt(event);
        if (at !== undefined && (event.target as Element).closest("[data-handle]")) onToggle(at);
        else onSelect(at);
      }}
      onDblClick={(event) => {
        const at = idAt(event);
        if (at !== undefined && diagram?.nodes.some((node) => node.id === at && node.opens)) onToggle(at);
      }}
      onPointerOver={(event) => onHover(idAt(event))}
      onPointerLeave={() => onHover(undefined)}
    >
      <g ref={layer}>
        {diagram && (
          <Drawing
            diagram={diagram}
            chosen={chosen.value}
            over={over.value}
            prefix={prefix}
            heat={props.heat}
            {...(props.failing && { failing: props.failing })}
            {...(props.marks && { marks: props.marks })}
          />
        )}
        {children}
      </g>
    </svg>
  );
}
