import type { DiagramNode } from "convnets/draw";
import { Fact } from "../inspector/Fact.tsx";
import { kindName } from "../text/kinds.ts";
import { t } from "../text/map.ts";
import { grouped, shape, short } from "../ui/format.ts";
import { shown, structure, toggle } from "./state.ts";

/** Shapes and costs of a box; without one, of the whole network. */
export function Card() {
  const node = shown.value;
  return (
    <aside class={`page-card${node ? "" : " is-whole"}`} aria-label={t("details")}>
      {node ? <Box node={node} /> : <Whole />}
    </aside>
  );
}

function Whole() {
  const { title, params, macs, inputs, tensors } = structure;
  return (
    <>
      <h2>{title}</h2>
      <dl class="facts">
        {inputs.map(([name, tensor]) => (
          <Fact key={name} name={t("input")} value={shape(tensors[tensor]!.slice(1))} />
        ))}
        <Fact name={t("params")} value={short(params)} exact={grouped(params)} />
        <Fact name={t("macs")} value={short(macs)} exact={grouped(macs)} />
      </dl>
      <p class="muted">{t("mapHint")}</p>
    </>
  );
}

function Box({ node }: { readonly node: DiagramNode }) {
  const { id, title, type, kind, role, folded, inputs, shape: output, params, macs, opens, open: isOpen } = node;
  const isEnd = role === "input" || role === "output";
  const kinds = kind ? [kindName(kind), ...folded.map((face) => face.title)].join(", ") : type;
  return (
    <>
      <header class="card-head">
        {kind && <i class={`swatch kind-${kind}`} />}
        <div>
          <h2>{title}</h2>
          <p class="path">{isEnd ? t(role) : [id, kinds].filter(Boolean).join(" · ")}</p>
        </div>
        {opens && (
          <button type="button" class="button" onClick={() => toggle(id)}>
            {t(isOpen ? "closeBlock" : "openBlock")}
          </button>
        )}
      </header>
      <div class="shapes">
        <span>
          <small>{t("input")}</small>
          <b>{shape(isEnd ? output : inputs[0])}</b>
          {inputs.length > 1 && !isEnd && inputs.slice(1).map((one, i) => <b key={i}>{shape(one)}</b>)}
        </span>
        <i aria-hidden="true">→</i>
        <span>
          <small>{t("output")}</small>
          <b>{shape(output)}</b>
        </span>
      </div>
      {!isEnd && (
        <dl class="facts">
          <Fact name={t("params")} value={grouped(params)} share={params / Math.max(1, structure.params)} />
          <Fact name={t("macs")} value={short(macs)} exact={grouped(macs)} share={macs / Math.max(1, structure.macs)} />
        </dl>
      )}
    </>
  );
}
