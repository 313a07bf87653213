import { t } from "../text/index.ts";
import { digits, percent } from "../ui/format.ts";
import { className } from "./names.ts";
import { chosenLabel, label, opened, scores } from "./state.ts";

/** The likeliest classes as bars; a click on one makes the overlay about it. */
export function Scores() {
  const all = scores.value;
  if (all.length === 0) return null;
  return (
    <section class="scores" aria-label={t("scores")}>
      <h2 class="side-title">{t("scores")}</h2>
      <ul>
        {all.map(({ label: one, probability, score }) => (
          <li key={one}>
            <button
              type="button"
              aria-pressed={label.value === one}
              title={t("scoreDetail", { score: digits(score) })}
              onClick={() => (chosenLabel.value = one)}
            >
              <span class="score-name">{className(one)}</span>
              <span class="score-value">{percent(probability)}</span>
              <span class="track">
                <i class="bar" style={{ width: `${Math.max(0.5, 100 * probability)}%` }} />
              </span>
            </button>
          </li>
        ))}
      </ul>
      {opened.value?.weights === "random" && <p class="muted hint">{t("randomScores")}</p>}
    </section>
  );
}
