import type { Row, RowPair } from "convnets/summary";
import { kindOf } from "../dock/kinds.ts";
import { idFromB, pairs } from "../state/compare.ts";
import { route } from "../state/route.ts";
import { hovered, reveal, select } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { grouped, perSample, shape } from "../ui/format.ts";
import { Gap, useRows } from "../ui/rows.tsx";

const idOf = ({ a, b }: RowPair) => (a ? a.path : idFromB(b!.path));

const told = (value: unknown): string => {
  if (value === undefined) return "–";
  if (Array.isArray(value)) return value.join("×");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
};

/** Both networks line by line: what they share, in what they differ. */
export function LayerPairs() {
  const all = pairs.value;
  const { props, first, last } = useRows(all.length, () => {
    const { selected } = route.value;
    return pairs.value.findIndex((pair) => idOf(pair) === selected);
  });
  const { selected } = route.value;
  return (
    <div {...props} class="table-box" tabIndex={0} role="group" aria-label={t("layersCompared")}>
      <table class="table compare-layers" aria-rowcount={all.length + 1}>
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col">A</th>
            <th scope="col">B</th>
            <th scope="col" class="wide">
              {t("difference")}
            </th>
            <th scope="col" class="wide">
              {t("output")}
            </th>
            <th scope="col">{t("params")}</th>
          </tr>
        </thead>
        <tbody>
          <Gap rows={first} />
          {all.slice(first, last).map((pair, i) => (
            <Line key={first + i} pair={pair} index={first + i} selected={idOf(pair) === selected} />
          ))}
          <Gap rows={all.length - last} />
        </tbody>
      </table>
    </div>
  );
}

interface LineProps {
  readonly pair: RowPair;
  readonly index: number;
  readonly selected: boolean;
}

function Line({ pair, index, selected }: LineProps) {
  const { a, b, status, differences } = pair;
  const id = idOf(pair);
  const choose = id === "" ? undefined : id;
  const facts = differences.map(({ name, a, b }) => `${name} ${told(a)} → ${told(b)}`).join(", ");
  return (
    <tr
      class={`is-${status}${selected ? " is-selected" : ""}`}
      aria-rowindex={index + 2}
      aria-selected={selected}
      onClick={() => select(choose)}
      onDblClick={() => choose && reveal(choose)}
      onPointerEnter={() => {
        hovered.value = choose;
      }}
      onPointerLeave={() => {
        if (hovered.peek() === choose) hovered.value = undefined;
      }}
    >
      <Name row={a} />
      <Name row={b} />
      <td class="wide difference" title={facts}>
        {status === "onlyA" ? t("onlyA") : status === "onlyB" ? t("onlyB") : facts}
      </td>
      <td class="wide">
        <Both a={a && shape(perSample(a.outputSize))} b={b && shape(perSample(b.outputSize))} />
      </td>
      <td>
        <Both a={a && grouped(a.params)} b={b && grouped(b.params)} />
      </td>
    </tr>
  );
}

function Name({ row }: { readonly row: Row | undefined }) {
  if (!row) return <td class="missing">–</td>;
  return (
    <td style={{ paddingLeft: `${16 + 14 * row.depth}px` }}>
      <i class={`swatch kind-${row.leaf ? kindOf(row) : "block"}`} />
      <b>{row.depth === 0 ? row.type : row.varName}</b>
      {row.depth > 0 && <span class="muted"> {row.type}</span>}
    </td>
  );
}

/** One value where both are the same. */
function Both({ a, b }: { readonly a: string | undefined; readonly b: string | undefined }) {
  if (a === b || a === undefined || b === undefined) return <>{a ?? b}</>;
  return (
    <>
      {a} <span class="muted">→</span> {b}
    </>
  );
}
