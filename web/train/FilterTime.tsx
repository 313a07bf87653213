import { useSignal } from "@preact/signals";
import { Filters } from "../inspector/WeightsView.tsx";
import { t } from "../text/index.ts";
import type { Live } from "../training/live.ts";
import { grouped } from "../ui/format.ts";

/** The filters of the first convolution as they change, with a slider back through time. */
export function FilterTime({ run }: { readonly run: Live }) {
  void run.version.value;
  const chosen = useSignal<number | undefined>(undefined);
  const { filters } = run;
  const index = Math.min(chosen.value ?? filters.length - 1, filters.length - 1);
  const snapshot = filters[index];
  return (
    <section class="filter-time weights" aria-label={t("trainFilters")}>
      <header class="row">
        <h3>{t("trainFilters")}</h3>
        {snapshot && <span class="muted">{t("trainFiltersAt", { step: grouped(snapshot.step) })}</span>}
      </header>
      {!snapshot && <p class="muted empty">{t(run.steps.length > 0 ? "trainNoFilters" : "trainFiltersEmpty")}</p>}
      {filters.length > 1 && snapshot && (
        <input
          type="range"
          min={0}
          max={filters.length - 1}
          value={index}
          aria-label={t("trainFilterSlider")}
          aria-valuetext={t("trainFiltersAt", { step: grouped(snapshot.step) })}
          onInput={({ currentTarget: { valueAsNumber } }) => {
            chosen.value = valueAsNumber === filters.length - 1 ? undefined : valueAsNumber;
          }}
        />
      )}
      {snapshot && <Filters filters={snapshot} all={snapshot.shape[0]} depth={snapshot.shape[1]} />}
    </section>
  );
}
