/** The boxes, lines and texts of a diagram. */
import type { Diagram, DiagramEdge, DiagramNode } from "convnets/draw";
import type { VNode } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { language } from "../text/language.ts";
import { type Mark, NodeView, TextView } from "./NodeView.tsx";

interface Props {
  readonly diagram: Diagram;
  readonly chosen: ReadonlySet<string>;
  readonly over: ReadonlySet<string>;
  readonly failing?: ReadonlySet<string>;
  readonly heat?: ReadonlyMap<string, number> | undefined;
  /** How boxes differ from those of another network. */
  readonly marks?: ReadonlyMap<string, Mark>;
  /** Starts ids of elements, where a page has several drawings. */
  readonly prefix?: string;
}

/** Boxes that are added between two frames, so that the page answers while a large drawing appears. */
const SLICE = 110;

export function Drawing({ diagram, chosen, over, failing, heat, marks, prefix }: Props) {
  /** Boxes as they were drawn last: one that did not change is not drawn again, as when the pointer moves over others. */
  const drawn = useRef(new WeakMap<DiagramNode, { readonly state: string; readonly box: VNode }>());
  const wired = useRef(new WeakMap<DiagramEdge, { readonly isNear: boolean; readonly line: VNode }>());
  const [limit, setLimit] = useState(SLICE);
  useEffect(() => {
    if (limit >= diagram.nodes.length) return;
    const frame = requestAnimationFrame(() => setLimit(limit + SLICE));
    return () => cancelAnimationFrame(frame);
  }, [diagram, limit]);
  const texts = useMemo(
    () => diagram.texts.map((text) => <TextView key={`${text.x},${text.y},${text.text}`} text={text} />),
    [diagram],
  );
  const near = (id: string | undefined) => id !== undefined && chosen.has(id);
  const boxes = diagram.nodes.slice(0, limit).map((node) => {
    const { id, form } = node;
    const isFrame = form === "frame";
    const [selected, hovered] = [chosen.has(id), !isFrame && over.has(id)];
    const fails = !isFrame && failing?.has(id) === true;
    const [warmth, mark] = [isFrame ? undefined : heat?.get(id), marks?.get(id)];
    const state = `${language.value} ${selected} ${hovered} ${fails} ${warmth} ${mark}`;
    const known = drawn.current.get(node);
    if (known?.state === state) return known.box;
    const box = (
      <NodeView
        key={id}
        node={node}
        selected={selected}
        hovered={hovered}
        failing={fails}
        heat={warmth}
        mark={mark}
        prefix={prefix}
      />
    );
    drawn.current.set(node, { state, box });
    return box;
  });
  const lines = diagram.edges.slice(0, limit).map((edge) => {
    const { from, to, line, tip } = edge;
    const isNear = near(from) || near(to);
    const known = wired.current.get(edge);
    if (known?.isNear === isNear) return known.line;
    const made = (
      <g key={`${from} ${to} ${line}`} class={isNear ? "edge is-near" : "edge"}>
        <path class="wire" d={line} />
        {tip && <path class="tip" d={tip} />}
      </g>
    );
    wired.current.set(edge, { isNear, line: made });
    return made;
  });
  return (
    <g class={`drawing${marks ? " is-compared" : ""}`}>
      {boxes.filter((_, i) => diagram.nodes[i]!.form === "frame")}
      {lines}
      {boxes.filter((_, i) => diagram.nodes[i]!.form !== "frame")}
      {diagram.brackets.map(({ x, y, width }) => (
        <path key={x} class="wire" d={`M${x} ${y - 5}v5h${width}v-5`} />
      ))}
      {texts}
    </g>
  );
}
