/** The boxes, lines and texts of a diagram. */
import type { Diagram } from "convnets/draw";
import type { Row } from "convnets/summary";
import { useEffect, useState } from "preact/hooks";
import { type Mark, NodeView, TextView } from "./NodeView.tsx";

interface Props {
  readonly diagram: Diagram;
  readonly rowOf: (id: string) => Row | undefined;
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

export function Drawing({ diagram, rowOf, chosen, over, failing, heat, marks, prefix }: Props) {
  const [limit, setLimit] = useState(SLICE);
  useEffect(() => {
    if (limit >= diagram.nodes.length) return;
    const frame = requestAnimationFrame(() => setLimit(limit + SLICE));
    return () => cancelAnimationFrame(frame);
  }, [diagram, limit]);
  const near = (id: string | undefined) => id !== undefined && chosen.has(id);
  const boxes = diagram.nodes.slice(0, limit).map((node) => {
    const { id, form } = node;
    const isFrame = form === "frame";
    return (
      <NodeView
        key={id}
        node={node}
        row={rowOf(id)}
        selected={chosen.has(id)}
        hovered={!isFrame && over.has(id)}
        failing={!isFrame && failing?.has(id) === true}
        heat={isFrame ? undefined : heat?.get(id)}
        mark={marks?.get(id)}
        prefix={prefix}
      />
    );
  });
  return (
    <g class={`drawing${marks ? " is-compared" : ""}`}>
      {boxes.filter((_, i) => diagram.nodes[i]!.form === "frame")}
      {diagram.edges.slice(0, limit).map(({ from, to, line, tip }) => (
        <g key={`${from} ${to} ${line}`} class={near(from) || near(to) ? "edge is-near" : "edge"}>
          <path class="wire" d={line} />
          {tip && <path class="tip" d={tip} />}
        </g>
      ))}
      {boxes.filter((_, i) => diagram.nodes[i]!.form !== "frame")}
      {diagram.brackets.map(({ x, y, width }) => (
        <path key={x} class="wire" d={`M${x} ${y - 5}v5h${width}v-5`} />
      ))}
      {diagram.texts.map((text) => (
        <TextView key={`${text.x},${text.y},${text.text}`} text={text} />
      ))}
    </g>
  );
}
