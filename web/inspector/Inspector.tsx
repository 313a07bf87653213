import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { bench } from "../bench/client.ts";
import type { Card, Weights } from "../bench/protocol.ts";
import { nodesOf, pathOf } from "../map/nodes.ts";
import { route } from "../state/route.ts";
import { drawing, network, rowOf, toggle } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { bytes, grouped, perSample, shape, short } from "../ui/format.ts";
import { CodeLine } from "./CodeLine.tsx";
import { Fact } from "./Fact.tsx";
import { FieldView } from "./FieldView.tsx";
import { Overview } from "./Overview.tsx";
import { Settings } from "./Settings.tsx";
import { WeightsView } from "./WeightsView.tsx";

/** What is selected, in detail; without a selection, the whole network. */
export function Inspector() {
  const { selected } = route.value;
  return (
    <aside class="inspector" aria-label={t("details")}>
      {selected === undefined || !network.value.value ? <Overview /> : <Selected id={selected} />}
    </aside>
  );
}

function Selected({ id }: { readonly id: string }) {
  const card = useSignal<Card | undefined>(undefined);
  const weights = useSignal<Weights | undefined>(undefined);
  const wanted = useComputed(() => [route.value.selected, network.value.value] as const);

  useSignalEffect(() => {
    const [path, at] = wanted.value;
    card.value = undefined;
    weights.value = undefined;
    if (path === undefined || !at || network.peek().busy) return;
    const isLatest = () => wanted.peek()[0] === path && wanted.peek()[1] === at;
    const row = rowOf(path);
    if (!row) return;
    bench.card("a", pathOf(path)).then((found) => {
      if (isLatest()) card.value = found;
    });
    if (row.leaf)
      bench.weights("a", pathOf(path)).then((found) => {
        if (isLatest()) weights.value = found;
      });
  });

  // a network from a file has the weights of its layers; others would not be the file's
  const canEdit = !route.value.net.startsWith("file:");
  const row = rowOf(id);
  const [node] = nodesOf(drawing.value.value, id);
  const totals = network.value.value?.summary.totals;
  // layers of a list are called by their number, which says little
  const title = node?.id === id ? node.title : row && /^\d+$/.test(row.varName) ? row.type : (row?.varName ?? id);
  const outputs = perSample(row?.outputSize) ?? node?.shape;
  return (
    <>
      <header class="card-head">
        {node?.kind && <i class={`swatch kind-${node.kind}`} />}
        <div>
          <h2>{title}</h2>
          <p class="path">
            {id}
            {row && row.type !== title && <span> · {row.type}</span>}
          </p>
        </div>
        {node?.opens && node.id === id && (
          <button type="button" class="button" onClick={() => toggle(id)}>
            {t(node.open ? "closeBlock" : "openBlock")}
          </button>
        )}
      </header>
      <div class="shapes">
        <span>
          <small>{t("input")}</small>
          <b>{shape(perSample(row?.inputSize))}</b>
        </span>
        <i aria-hidden="true">→</i>
        <span>
          <small>{t("output")}</small>
          <b>{shape(outputs)}</b>
        </span>
      </div>
      <dl class="facts">
        <Fact
          name={t("params")}
          value={grouped(row?.params ?? node?.params ?? 0)}
          share={row && totals ? row.params / Math.max(1, totals.params) : undefined}
        />
        {row && totals && (
          <>
            <Fact
              name={t("macs")}
              value={short(row.macs)}
              exact={grouped(row.macs)}
              share={row.macs / Math.max(1, totals.macs)}
            />
            <Fact
              name={t("memory")}
              value={bytes(row.activationBytes)}
              exact={`${grouped(row.activationBytes)} B`}
              share={row.activationBytes / Math.max(1, totals.activationBytes)}
            />
          </>
        )}
      </dl>
      {row?.receptiveField && network.value.value && (
        <FieldView field={row.receptiveField} image={network.value.value.input.slice(2)} />
      )}
      {card.value && canEdit && <Settings card={card.value} />}
      {card.value?.code && <CodeLine code={card.value.code} name={row?.varName ?? ""} />}
      {weights.value && <WeightsView weights={weights.value} source={network.value.value?.weights ?? "random"} />}
    </>
  );
}
