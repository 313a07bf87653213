import type { Row } from "convnets/summary";
import type { VNode } from "preact";
import { useRef } from "preact/hooks";
import { route } from "../state/route.ts";
import { hovered, reveal, rowOf, rows, select } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { language } from "../text/language.ts";
import { bytes, grouped, percent, perSample, shape } from "../ui/format.ts";
import { Gap, useRows } from "../ui/rows.tsx";
import { kindOf } from "./kinds.ts";

/** The torchinfo table of the network, in step with the map. */
export function Table() {
  const all = rows.value;
  const total = all[0];
  const { props, first, last } = useRows(all.length, () => {
    const row = rowOf(route.value.selected);
    return row ? rows.peek().indexOf(row) : -1;
  });
  const chosen = rowOf(route.value.selected);
  const over = rowOf(hovered.value);
  /** Rows as they were last: one that did not change is not made again. */
  const known = useRef(new WeakMap<Row, { readonly state: string; readonly line: VNode }>());
  const lineOf = (row: Row, index: number): VNode => {
    const [selected, hovered] = [row === chosen, row === over];
    const state = `${language.value} ${index} ${selected} ${hovered}`;
    const before = known.current.get(row);
    if (before?.state === state) return before.line;
    const line = <Line key={index} row={row} index={index} total={total!} selected={selected} hovered={hovered} />;
    known.current.set(row, { state, line });
    return line;
  };

  const keys = (event: KeyboardEvent) => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    const at = chosen ? all.indexOf(chosen) : -1;
    if (by !== 0) {
      const next = all[Math.max(0, Math.min(all.length - 1, at + by))];
      if (next) select(next.path === "" ? undefined : next.path);
    } else if (event.key === "Enter" && chosen) reveal(chosen.path);
    else return;
    event.preventDefault();
  };

  return (
    <div {...props} class="table-box" tabIndex={0} role="group" aria-label={t("table")} onKeyDown={keys}>
      <table class="table" aria-rowcount={all.length + 1} hidden={all.length === 0}>
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col">{t("layer")}</th>
            <th scope="col" class="wide">
              {t("input")}
            </th>
            <th scope="col">{t("output")}</th>
            <th scope="col" class="wide">
              {t("kernel")}
            </th>
            <th scope="col">{t("params")}</th>
            <th scope="col" class="share wide">
              {t("share")}
            </th>
            <th scope="col">{t("macs")}</th>
            <th scope="col" class="wide">
              {t("memory")}
            </th>
            <th scope="col" class="wide">
              {t("field")}
            </th>
          </tr>
        </thead>
        <tbody>
          <Gap rows={first} />
          {all.slice(first, last).map((row, i) => lineOf(row, first + i))}
          <Gap rows={all.length - last} />
        </tbody>
      </table>
    </div>
  );
}

interface LineProps {
  readonly row: Row;
  readonly index: number;
  readonly total: Row;
  readonly selected: boolean;
  readonly hovered: boolean;
}

function Line({ row, index, total, selected, hovered: over }: LineProps) {
  const { path, type, varName, depth, leaf, recursive } = row;
  const share = total.params > 0 && !recursive ? row.params / total.params : 0;
  const kernel = typeof row.kernelSize === "number" ? [row.kernelSize, row.kernelSize] : row.kernelSize;
  const name = [selected && "is-selected", over && "is-hovered", !leaf && "is-block"].filter(Boolean).join(" ");
  return (
    <tr
      class={name}
      aria-rowindex={index + 2}
      aria-selected={selected}
      onClick={() => select(path === "" ? undefined : path)}
      onDblClick={() => reveal(path)}
      onPointerEnter={() => {
        hovered.value = path;
      }}
      onPointerLeave={() => {
        if (hovered.peek() === path) hovered.value = undefined;
      }}
    >
      <th scope="row" style={{ paddingLeft: `${16 + 16 * depth}px` }}>
        <i class={`swatch kind-${leaf ? kindOf(row) : "block"}`} />
        <b>{depth === 0 ? type : varName}</b>
        {depth > 0 && <span class="muted"> {type}</span>}
      </th>
      <td class="wide">{shape(perSample(row.inputSize))}</td>
      <td>{shape(perSample(row.outputSize))}</td>
      <td class="wide">{kernel ? kernel.join("×") : ""}</td>
      <td>{row.params > 0 ? grouped(row.params) : <span class="muted">–</span>}</td>
      <td class="share wide">
        {share > 0 && (
          <>
            <i class="bar" style={{ "--share": String(share) }} />
            <span>{percent(share)}</span>
          </>
        )}
      </td>
      <td>{row.macs > 0 ? grouped(row.macs) : <span class="muted">–</span>}</td>
      <td class="wide">{row.activationBytes > 0 ? bytes(row.activationBytes) : ""}</td>
      <td class="wide">{field(row)}</td>
    </tr>
  );
}

function field({ receptiveField }: Row): string {
  if (!receptiveField) return "";
  const [height, width] = receptiveField;
  return Number.isFinite(height) && Number.isFinite(width) ? `${height}×${width}` : t("wholeImage");
}
