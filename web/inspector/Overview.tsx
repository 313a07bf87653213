import { parseEdits } from "../state/edits.ts";
import { route } from "../state/route.ts";
import { families, fileName, network } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { bytes, grouped, perSample, shape, short } from "../ui/format.ts";
import { Fact } from "./Fact.tsx";
import { EditButtons } from "./Settings.tsx";

/** The whole network: where it is from, and what it costs. */
export function Overview() {
  const { value } = network.value;
  if (!value) return null;
  const { totals, rows } = value.summary;
  const { net } = route.value;
  const family = families.value.find(({ entries }) => entries.some(({ name }) => name === net));
  const entry = family?.entries.find(({ name }) => name === net);
  return (
    <>
      <header class="card-head">
        <div>
          <h2>{rows[0]?.type}</h2>
          <p class="path">{entry?.title ?? fileName(net) ?? value.title}</p>
        </div>
      </header>
      <dl class="facts">
        <Fact name={t("inputSize")} value={shape(perSample(value.input))} />
        <Fact name={t("params")} value={short(totals.params)} exact={grouped(totals.params)} />
        <Fact name={t("macs")} value={short(totals.macs)} exact={grouped(totals.macs)} />
        <Fact name={t("memory")} value={bytes(totals.activationBytes)} exact={`${grouped(totals.activationBytes)} B`} />
        <Fact name={t("weights")} value={bytes(totals.paramBytes)} exact={`${grouped(totals.paramBytes)} B`} />
        <Fact name={t("weightLayers")} value={String(totals.weightLayers)} exact={t("depthHint")} />
      </dl>
      {route.value.edits.length > 0 && (
        <section class="settings">
          <header>
            <h3>
              {t("changed")}: {parseEdits(route.value.edits).length}
            </h3>
            <EditButtons />
          </header>
        </section>
      )}
      {family && (
        <p class="paper">
          <a href={family.url} target="_blank" rel="noreferrer">
            {family.title}
          </a>
          <span>{family.cite}</span>
        </p>
      )}
      {value.notes.map((note) => (
        <p key={note} class="note">
          {note}
        </p>
      ))}
      <p class="hint">{t("nothingSelected")}</p>
    </>
  );
}
