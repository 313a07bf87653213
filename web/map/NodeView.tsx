import type { DiagramNode, Text } from "convnets/draw";
import { h, type VNode } from "preact";
import { t } from "../text/map.ts";
import { grouped, shape } from "../ui/format.ts";

/** How a box differs from its counterpart in another network. */
export type Mark = "same" | "changed" | "only";

interface Props {
  readonly node: DiagramNode;
  readonly selected: boolean;
  readonly hovered: boolean;
  /** Whether the network stops fitting here. */
  readonly failing?: boolean;
  /** Share of the color of costs, from 0 to 1; undefined where colors mean families. */
  readonly heat?: number | undefined;
  readonly mark?: Mark | undefined;
  /** Starts ids of elements, where a page has several drawings. */
  readonly prefix?: string | undefined;
}

/** Id of the element of a box. */
export const nodeId = (id: string): string => `box ${id}`.replaceAll(" ", "_");

/** A box of the map with its texts, the ring of the selection, and the handle that opens a block. */
export function NodeView({ node, selected, hovered, failing = false, heat, mark, prefix = "" }: Props) {
  const { id, form, shapes, texts, opens, kind } = node;
  const name = [
    "node",
    `is-${form}`,
    selected && "is-selected",
    hovered && "is-hovered",
    failing && "is-failing",
    heat !== undefined && "is-heat",
    mark && `mark-${mark}`,
  ];
  return (
    <g
      class={name.filter(Boolean).join(" ")}
      data-id={id}
      data-kind={kind}
      id={prefix + nodeId(id)}
      role="img"
      aria-label={mark ? `${spoken(node)}. ${t(`mark_${mark}`)}` : spoken(node)}
      style={heat === undefined ? undefined : { "--heat": String(heat) }}
    >
      {shapes.map(({ tag, attributes }, i) => h(tag, { key: i, ...attributes }) as VNode)}
      {texts.map((text) => (
        <TextView key={`${text.x},${text.y}`} text={text} />
      ))}
      {(selected || hovered) && <Ring node={node} selected={selected} />}
      {mark && mark !== "same" && form !== "frame" && <Badge node={node} mark={mark} />}
      {opens && <Handle node={node} />}
    </g>
  );
}

export function TextView({ text: { x, y, text, size, tone, anchor, turned } }: { readonly text: Text }) {
  return (
    <text
      class={`text-${tone}`}
      x={x}
      y={y}
      font-size={size}
      text-anchor={anchor}
      transform={turned ? `rotate(-90 ${x} ${y})` : undefined}
    >
      {text}
    </text>
  );
}

function Ring({ node, selected }: { readonly node: DiagramNode; readonly selected: boolean }) {
  const { x, y, width, height, form, shapes } = node;
  const name = selected ? "ring-selected" : "ring-hovered";
  if (form === "volume") {
    const outlines = shapes.filter(({ attributes }) => !/band|slice|shade|gleam/.test(String(attributes.class)));
    return (
      <g class={name}>
        {outlines.map(({ attributes }, i) => (
          <path key={i} d={String(attributes.d)} />
        ))}
      </g>
    );
  }
  const gap = 3;
  const round = form === "sum" || form === "end" ? height / 2 + gap : form === "frame" ? 12 : form === "block" ? 10 : 7;
  return (
    <g class={name}>
      <rect x={x - gap} y={y - gap} width={width + 2 * gap} height={height + 2 * gap} rx={round} />
    </g>
  );
}

/** The sign of a difference, at the corner: ≠ for other settings, + for a box that the other network lacks. */
function Badge({ node: { x, y }, mark }: { readonly node: DiagramNode; readonly mark: Mark }) {
  return (
    <g class={`badge badge-${mark}`}>
      <circle cx={x + 1} cy={y + 1} r={8} />
      <path
        d={
          mark === "only"
            ? `M${x - 3} ${y + 1}h8M${x + 1} ${y - 3}v8`
            : `M${x - 3} ${y - 0.8}h8M${x - 3} ${y + 2.8}h8M${x + 3.4} ${y - 3.6}l-4.8 9.2`
        }
      />
    </g>
  );
}

/** The sign at the corner of a block: + opens it, − closes it. */
function Handle({ node: { x, y, width, open } }: { readonly node: DiagramNode }) {
  const [cx, cy] = open ? [x + width - 15, y + 14] : [x + width - 1, y + 1];
  return (
    <g class="handle" data-handle="">
      <circle cx={cx} cy={cy} r={8} />
      <path d={`M${cx - 3.5} ${cy}h7${open ? "" : `M${cx} ${cy - 3.5}v7`}`} />
    </g>
  );
}

/** "conv 3×3, 64 × 56 × 56 to 192 × 56 × 56, 110,784 parameters". */
function spoken({ title, params, inputs: [from], shape: given, role, folded, opens, open }: DiagramNode): string {
  if (role === "input" || role === "output") return `${t(role)} ${title}, ${shape(given)}`;
  const names = folded.map(({ title }) => title);
  const state = opens ? [t(open ? "isOpen" : "isClosed")] : [];
  const whole = [title, ...state, ...(names.length > 0 ? [t("folded", { names: names.join(", ") })] : [])].join(" ");
  if (!from) return `${whole}, ${shape(given)}`;
  return t("layersSpoken", { title: whole, from: shape(from), to: shape(given), params: grouped(params) });
}
