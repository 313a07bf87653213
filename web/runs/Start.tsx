import { useSignal } from "@preact/signals";
import { Play } from "lucide";
import { useEffect } from "preact/hooks";
import { route } from "../state/route.ts";
import { type TextKey, t } from "../text/index.ts";
import { Icon } from "../ui/Icon.tsx";
import { choices, listChoices, start } from "./state.ts";

/** Settings that are numbers; where a field is empty, the recipe decides. */
const NUMBERS = [
  ["epochs", "trainEpochs", "1", 1],
  ["batchSize", "trainBatch", "1", 1],
  ["lr", "trainRate", "any", 0],
  ["weightDecay", "trainDecay", "any", 0],
  ["warmupEpochs", "trainWarmup", "any", 0],
  ["labelSmoothing", "trainSmoothing", "any", 0],
  ["clipNorm", "trainClip", "any", 0],
  ["validationFraction", "trainHeldOut", "any", 0],
  ["inputSize", "trainSide", "1", 8],
  ["seed", "trainSeed", "1", 0],
] as const satisfies readonly (readonly [name: string, text: TextKey, step: string, least: number])[];

/** How many of them are always visible. */
const FIRST = 3;

/** Starts a training in Node. */
export function Start() {
  const asked = useSignal<Readonly<Record<string, string | number>>>({});
  const busy = useSignal(false);
  const problem = useSignal<string | undefined>(undefined);
  useEffect(() => {
    listChoices().catch(() => undefined);
  }, []);
  const { value } = choices;
  if (!value || value.networks.length === 0) return null;
  const { net } = route.value;
  const model = String(asked.value.model ?? (value.networks.includes(net) ? net : "vgg_small"));
  const ask = (name: string, given: string | number | undefined) => {
    const { [name]: _, ...others } = asked.peek();
    asked.value = given === undefined ? others : { ...others, [name]: given };
  };
  const begin = async () => {
    busy.value = true;
    problem.value = undefined;
    try {
      await start({ data: value.data[0]!, ...asked.peek(), model });
    } catch (error) {
      problem.value = (error as Error).message;
    } finally {
      busy.value = false;
    }
  };
  const choice = (name: string, text: TextKey, options: readonly (readonly [string, string])[], current: string) => (
    <label class={`setting${name in asked.value && name !== "model" ? " is-own" : ""}`}>
      <span>{t(text)}</span>
      <select value={current} onChange={(event) => ask(name, event.currentTarget.value || undefined)}>
        {options.map(([id, label]) => (
          <option key={id} value={id}>
            {label}
          </option>
        ))}
      </select>
    </label>
  );
  const number = ([name, text, step, min]: (typeof NUMBERS)[number]) => (
    <label key={name} class={`setting${name in asked.value ? " is-own" : ""}`}>
      <span>{t(text)}</span>
      <input
        type="number"
        inputMode="decimal"
        value={asked.value[name] ?? ""}
        placeholder={t("runsRecipe")}
        {...{ step, min }}
        onChange={({ currentTarget: { valueAsNumber } }) =>
          ask(name, Number.isFinite(valueAsNumber) && valueAsNumber >= min ? valueAsNumber : undefined)
        }
      />
    </label>
  );
  const same = (names: readonly string[]) => names.map((name) => [name, name] as const);
  return (
    <details class="start-native" open={route.value.runs === undefined}>
      <summary>
        <h2>{t("runsStart")}</h2>
      </summary>
      <p class="muted">{t("runsStartHint")}</p>
      <div class="settings">
        {choice("model", "trainNetwork", same(value.networks), model)}
        {choice("data", "runsImages", same(value.data), String(asked.value.data ?? value.data[0]))}
        {NUMBERS.slice(0, FIRST).map(number)}
        {choice(
          "optimizer",
          "trainOptimizer",
          [
            ["", t("runsRecipe")],
            ["sgd", "SGD"],
            ["adamw", "AdamW"],
          ],
          String(asked.value.optimizer ?? ""),
        )}
      </div>
      <details class="more-settings">
        <summary>{t("trainMore")}</summary>
        <div class="settings">
          {choice(
            "schedule",
            "trainSchedule",
            [
              ["", t("runsRecipe")],
              ["cosine", t("trainCosine")],
              ["polynomial", t("trainPolynomial")],
              ["constant", t("trainConstant")],
            ],
            String(asked.value.schedule ?? ""),
          )}
          {NUMBERS.slice(FIRST).map(number)}
        </div>
      </details>
      {problem.value && (
        <p class="train-problem" role="alert">
          {problem.value}
        </p>
      )}
      <button type="button" class="button is-main" disabled={busy.value} onClick={begin}>
        <Icon icon={Play} size={16} />
        {t("runsStartNow")}
      </button>
    </details>
  );
}
