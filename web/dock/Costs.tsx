import { useSignal } from "@preact/signals";
import type { Row, Totals } from "convnets/summary";
import { type Cost, costOf } from "../map/heat.ts";
import { route } from "../state/route.ts";
import { hovered, network, rowOf, rows, select } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { bytes, percent, short } from "../ui/format.ts";
import { kindOf } from "./kinds.ts";

const COSTS = ["params", "macs", "memory"] as const satisfies readonly Cost[];
/** Layers above which their bars are thinner than anybody could point at, so that blocks are shown first. */
const MANY = 80;

/** Rows whose costs add up to the whole: the layers, or the parts that the network itself has. */
function barsOf(all: readonly Row[], level: "layer" | "block"): readonly Row[] {
  const costly = (row: Row) => row.outputSize !== undefined && !row.recursive;
  if (level === "layer") return all.filter((row) => row.leaf && costly(row));
  const tops = all.filter(({ depth }) => depth === 1);
  // a network that is one list of layers has its parts a level deeper
  const depth = tops.length <= 2 ? 2 : 1;
  return all.filter((row) => (row.depth === depth || (row.depth < depth && row.leaf)) && !row.recursive);
}

/** Where parameters, multiply-accumulates and memory are: a bar for each layer, from the input to the output. */
export function Costs() {
  const chosen = useSignal<"layer" | "block" | undefined>(undefined);
  const layers = barsOf(rows.value, "layer");
  const level = chosen.value ?? (layers.length > MANY ? "block" : "layer");
  const bars = level === "layer" ? layers : barsOf(rows.value, level);
  const totals = network.value.value?.summary.totals;
  if (!totals) return null;
  return (
    <div class="costs">
      <fieldset class="segments costs-level">
        <legend class="unseen">{t("costs")}</legend>
        {(["layer", "block"] as const).map((one) => (
          <button
            key={one}
            type="button"
            aria-pressed={level === one}
            onClick={() => {
              chosen.value = one;
            }}
          >
            {t(one === "layer" ? "byLayer" : "byBlock")}
          </button>
        ))}
      </fieldset>
      {COSTS.map((cost) => (
        <Strip key={cost} cost={cost} bars={bars} totals={totals} />
      ))}
    </div>
  );
}

interface StripProps {
  readonly cost: Cost;
  readonly bars: readonly Row[];
  readonly totals: Totals;
}

function Strip({ cost, bars, totals }: StripProps) {
  const costs = bars.map((row) => costOf(row, cost));
  // of the whole network, which also has the outputs of operators between layers
  const total = Math.max(1, cost === "memory" ? totals.activationBytes : totals[cost]);
  const most = Math.max(1, ...costs);
  const chosen = route.value.selected;
  const over = rowOf(hovered.value ?? chosen);
  const at = over ? bars.findIndex((row) => row === over || over.path.startsWith(`${row.path}.`)) : -1;
  const write = cost === "memory" ? bytes : short;
  return (
    <section class="strip" aria-label={t(cost)}>
      <header>
        <h3>{t(cost)}</h3>
        <span>
          {at >= 0 ? (
            <>
              <b>{bars[at]!.path}</b> {write(costs[at]!)} · {percent(costs[at]! / total)}
            </>
          ) : (
            write(total)
          )}
        </span>
      </header>
      <div class="bars">
        {bars.map((row, i) => {
          const isChosen =
            chosen !== undefined &&
            (row.path === chosen || chosen.startsWith(`${row.path}.`) || row.path.startsWith(`${chosen}.`));
          return (
            <button
              key={row.path}
              type="button"
              tabIndex={-1}
              class={`kind-${row.leaf ? kindOf(row) : "block"}${isChosen ? " is-selected" : ""}${at === i ? " is-hovered" : ""}`}
              aria-label={`${row.path}: ${write(costs[i]!)}`}
              onClick={() => select(row.path)}
              onPointerEnter={() => {
                hovered.value = row.path;
              }}
              onPointerLeave={() => {
                hovered.value = undefined;
              }}
            >
              <i style={{ "--share": String(costs[i]! / most) }} />
            </button>
          );
        })}
      </div>
    </section>
  );
}
