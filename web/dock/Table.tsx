import { useSignal, useSignalEffect } from "@preact/signals";
import type { Row } from "convnets/summary";
import { useEffect, useRef } from "preact/hooks";
import { route } from "../state/route.ts";
import { hovered, reveal, rowOf, rows, select } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { bytes, grouped, percent, perSample, shape } from "../ui/format.ts";
import { kindOf } from "./kinds.ts";

/** Height of a row in pixels; only those in sight are in the page. */
const HEIGHT = 30;
const BEYOND = 12;

/** The torchinfo table of the network, in step with the map. */
export function Table() {
  const box = useRef<HTMLDivElement>(null);
  const seen = useSignal({ top: 0, height: 400 });
  const all = rows.value;
  const total = all[0];

  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => {
      seen.value = { ...seen.peek(), height: entry!.contentRect.height };
    });
    observer.observe(box.current!);
    return () => observer.disconnect();
  }, [seen]);

  // a selection made elsewhere comes into sight
  useSignalEffect(() => {
    const { selected } = route.value;
    const row = rowOf(selected);
    const element = box.current;
    if (!row || !element) return;
    const top = rows.peek().indexOf(row) * HEIGHT;
    const inside = element.clientHeight - 2 * HEIGHT;
    if (top < element.scrollTop || top > element.scrollTop + inside) element.scrollTop = Math.max(0, top - inside / 2);
  });

  const first = Math.max(0, Math.floor(seen.value.top / HEIGHT) - BEYOND);
  const last = Math.min(all.length, Math.ceil((seen.value.top + seen.value.height) / HEIGHT) + BEYOND);
  const chosen = rowOf(route.value.selected);
  const over = rowOf(hovered.value);

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
    <div
      ref={box}
      class="table-box"
      tabIndex={0}
      role="group"
      aria-label={t("table")}
      onKeyDown={keys}
      onScroll={({ currentTarget }) => {
        seen.value = { ...seen.peek(), top: currentTarget.scrollTop };
      }}
    >
      <table class="table" aria-rowcount={all.length + 1}>
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
          {first > 0 && <Gap rows={first} />}
          {all.slice(first, last).map((row, i) => (
            <Line
              key={first + i}
              row={row}
              index={first + i}
              total={total!}
              selected={row === chosen}
              hovered={row === over}
            />
          ))}
          {last < all.length && <Gap rows={all.length - last} />}
        </tbody>
      </table>
    </div>
  );
}

function Gap({ rows }: { readonly rows: number }) {
  return (
    <tr aria-hidden="true" style={{ height: `${rows * HEIGHT}px` }}>
      <td colSpan={9} />
    </tr>
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
