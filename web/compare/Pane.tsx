import { useComputed, useSignalEffect } from "@preact/signals";
import type { Diagram } from "convnets/draw";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Drawing } from "../map/Drawing.tsx";
import { nodeId } from "../map/NodeView.tsx";
import { View } from "../map/view.ts";
import { type Arrow, walk } from "../map/walk.ts";
import { idFromB, idInB, marksOf, otherDrawing, otherNetwork, rowInB, type Side } from "../state/compare.ts";
import { route } from "../state/route.ts";
import { drawing, hovered, mapWidth, network, nodesOf, rowOf, select, toggle } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { bytes, short } from "../ui/format.ts";

interface Props {
  readonly side: Side;
  readonly name: string;
  readonly view: RefObject<View | null>;
}

const idAt = (event: Event): string | undefined =>
  (event.target as Element).closest<SVGGElement>("[data-id]")?.dataset.id;

/** One of two maps: what is selected or opened in it is so in both. */
export function Pane({ side, name, view }: Props) {
  const svg = useRef<SVGSVGElement>(null);
  const layer = useRef<SVGGElement>(null);
  const before = useRef<{ diagram: Diagram; selected: string | undefined; network: unknown }>(null);
  const isA = side === "a";
  const pending = isA ? network : otherNetwork;
  const drawn = isA ? drawing : otherDrawing;
  /** Ids as the page has them, and as this map has them. */
  const outward = (id: string | undefined) => (id === undefined || isA ? id : idFromB(id));
  const inward = (id: string | undefined) => (isA ? id : idInB(id));

  useEffect(() => {
    view.current = new View(svg.current!, layer.current!);
    const observer = new ResizeObserver(([entry]) => {
      view.current!.resize(entry!.contentRect);
      if (isA) mapWidth.value = entry!.contentRect.width;
      const diagram = drawn.peek().value;
      if (diagram && !view.current!.moved) view.current!.fit(diagram, false);
    });
    observer.observe(svg.current!);
    return () => observer.disconnect();
  }, []);

  useSignalEffect(() => {
    const diagram = drawn.value.value;
    const selected = inward(route.value.selected);
    if (!diagram || !view.current) return;
    const last = before.current;
    const owner = pending.peek().value;
    before.current = { diagram, selected, network: owner };
    const [node] = nodesOf(diagram, selected);
    if (!last || last.network !== owner) view.current.fit(diagram, false);
    else if (last.diagram !== diagram && !view.current.moved) view.current.fit(diagram, false);
    if (node && node.role !== "input") queueMicrotask(() => view.current?.reveal(node));
  });

  const keys = (event: KeyboardEvent) => {
    const diagram = drawn.peek().value;
    if (!diagram || event.ctrlKey || event.metaKey || event.altKey) return;
    const [node] = nodesOf(diagram, inward(route.peek().selected));
    if (event.key.startsWith("Arrow")) {
      const to = walk(diagram, node?.id, event.key as Arrow);
      if (to) select(outward(to));
    } else if ((event.key === "Enter" || event.key === " ") && node?.opens) toggle(outward(node.id)!);
    else if (event.key === "Escape") select(outward(node?.parent));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const diagram = drawn.value.value;
  const chosen = useComputed(
    () => new Set(nodesOf(drawn.value.value, inward(route.value.selected)).map(({ id }) => id)),
  );
  const over = useComputed(() => new Set(nodesOf(drawn.value.value, inward(hovered.value)).map(({ id }) => id)));
  const marks = useComputed(() => marksOf(side));
  const [active] = chosen.value;
  const totals = pending.value.value?.summary.totals;
  const error = pending.value.error ?? drawn.value.error;
  const prefix = isA ? "" : "b_";
  return (
    <section class="pane" aria-label={name}>
      <header>
        <h2>{name}</h2>
        {totals && (
          <p>
            {short(totals.params)} {t("paramsShort")} · {short(totals.macs)} MACs · {bytes(totals.activationBytes)}
          </p>
        )}
      </header>
      <div class="map">
        <svg
          ref={svg}
          class="map-canvas"
          tabindex={0}
          role="application"
          id={isA ? "map" : "map-b"}
          aria-activedescendant={active === undefined ? undefined : prefix + nodeId(active)}
          aria-label={`${t("map")}: ${name}. ${t("mapHelp")}`}
          onKeyDown={keys}
          onClick={(event) => {
            const id = outward(idAt(event));
            if (id !== undefined && (event.target as Element).closest("[data-handle]")) toggle(id);
            else select(id);
          }}
          onDblClick={(event) => {
            const node = diagram?.nodes.find(({ id }) => id === idAt(event));
            if (node?.opens) toggle(outward(node.id)!);
          }}
          onPointerOver={(event) => {
            hovered.value = outward(idAt(event));
          }}
          onPointerLeave={() => {
            hovered.value = undefined;
          }}
        >
          <g ref={layer}>
            {diagram && (
              <Drawing
                diagram={diagram}
                rowOf={isA ? rowOf : rowInB}
                chosen={chosen.value}
                over={over.value}
                marks={marks.value}
                prefix={prefix}
              />
            )}
          </g>
        </svg>
        {error && (
          <div class="state" role="alert">
            <h2>{t("failed", { name })}</h2>
            <p>{error}</p>
          </div>
        )}
        {!error && !diagram && (
          <p class="state" role="status">
            {t("loading", { name })}
          </p>
        )}
      </div>
    </section>
  );
}
