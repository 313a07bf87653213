import { useSignal } from "@preact/signals";
import { ChevronDown, Play } from "lucide";
import { dialog } from "../stage/dialogs.ts";
import { CODE, code, runCode } from "../state/code.ts";
import { go, route } from "../state/route.ts";
import { fileName, network } from "../state/stage.ts";
import { type TextKey, t } from "../text/index.ts";
import type { Settings } from "../training/protocol.ts";
import { ask, asked, codeWaits, device, proposal, resetAsked, startRun } from "../training/setup.ts";
import { grouped, short } from "../ui/format.ts";
import { Icon } from "../ui/Icon.tsx";
import { DataChoice } from "./DataChoice.tsx";

/** Networks that learn small images quickly. */
const QUICK = ["vgg_small", "inception_small", "resnet20"];

/** What the next run will be. */
export function Setup() {
  const { net, variant, edits } = route.value;
  const failed = useSignal<string | undefined>(undefined);
  const { value, busy, error } = proposal.value;
  const begin = () => {
    failed.value = undefined;
    startRun().catch(({ message }: Error) => {
      failed.value = message;
    });
  };
  const problem = error ?? failed.value;
  return (
    <section class="setup" aria-label={t("trainSetup")}>
      <h2>{t("trainSetup")}</h2>
      <section class="setup-part">
        <h3>{t("trainNetwork")}</h3>
        <button type="button" class="net-choice" aria-haspopup="dialog" onClick={() => (dialog.value = "networks")}>
          <b>{net === CODE ? (network.value.value?.title ?? t("yourCode")) : (fileName(net) ?? net)}</b>
          {variant && <span class="tag">{variant}</span>}
          {edits.length > 0 && <span class="tag">{t("changed")}</span>}
          <Icon icon={ChevronDown} size={16} />
        </button>
        <p class="quick">
          <span>{t("trainQuick")}</span>
          {QUICK.map((name) => (
            <button
              key={name}
              type="button"
              class="tag"
              aria-current={net === name}
              onClick={() =>
                go({
                  ...{ net: name, variant: undefined, open: [], selected: undefined, form: undefined },
                  ...{ classes: undefined, side: undefined, edits: [] },
                })
              }
            >
              {name}
            </button>
          ))}
        </p>
      </section>
      <DataChoice />
      {value && (value.parts.normalization || value.parts.auxiliary) && (
        <section class="setup-part">
          {(["normalization", "auxiliary"] as const).map(
            (part) =>
              value.parts[part] && (
                <label key={part} class="part">
                  <input
                    type="checkbox"
                    checked={value.settings[part]}
                    onChange={({ currentTarget: { checked } }) => ask(part, checked ? undefined : false)}
                  />
                  {t(part === "normalization" ? "trainNormalization" : "trainAuxiliary")}
                </label>
              ),
          )}
          <p class="muted small">{t("trainPartsHint")}</p>
        </section>
      )}
      {value && <SettingsForm settings={value.settings} canSplit={value.settings.validationFraction > 0} />}
      {value && !error && (
        <p class="muted plan">
          {t("trainPlan", {
            train: grouped(value.train),
            validation: grouped(value.validation),
            steps: grouped(Math.ceil(value.train / value.settings.batchSize)),
            params: short(value.parameters),
            macs: short(value.macs),
          })}
        </p>
      )}
      {codeWaits.value && (
        <div class="own">
          <p>{t("trainCodeWaits")}</p>
          <div class="row">
            <button
              type="button"
              class="button"
              onClick={async () => runCode(code.peek() ?? (await import("../write/start.ts")).START)}
            >
              <Icon icon={Play} size={15} />
              {t("trainRunCode")}
            </button>
          </div>
        </div>
      )}
      {problem && !codeWaits.value && (
        <p class="train-problem" role="alert">
          {problem}
        </p>
      )}
      <button type="button" class="button is-main start" disabled={busy || !value || !!error} onClick={begin}>
        <Icon icon={Play} size={16} />
        {t("trainStart")}
      </button>
    </section>
  );
}

type NumberName = {
  [K in keyof Settings]: Settings[K] extends number ? K : never;
}[keyof Settings];

interface NumberProps {
  readonly name: NumberName;
  readonly text: TextKey;
  readonly settings: Settings;
  readonly step?: number | "any";
  readonly min?: number;
  readonly max?: number;
}

function NumberSetting({ name, text, settings, step = 1, min = 1, max }: NumberProps) {
  const isOwn = asked()[name] !== undefined;
  return (
    <label class={`setting${isOwn ? " is-own" : ""}`}>
      <span>{t(text)}</span>
      <input
        type="number"
        inputMode="decimal"
        value={settings[name]}
        step={step}
        min={min}
        max={max}
        onChange={(event) => {
          const number = event.currentTarget.valueAsNumber;
          ask(name, Number.isFinite(number) && number >= min ? number : undefined);
        }}
      />
    </label>
  );
}

interface ChoiceProps<K extends "optimizer" | "schedule"> {
  readonly name: K;
  readonly text: TextKey;
  readonly settings: Settings;
  readonly options: readonly (readonly [value: Settings[K], text: string])[];
}

function ChoiceSetting<K extends "optimizer" | "schedule">({ name, text, settings, options }: ChoiceProps<K>) {
  return (
    <label class={`setting${asked()[name] !== undefined ? " is-own" : ""}`}>
      <span>{t(text)}</span>
      <select
        value={settings[name]}
        onChange={(event) => ask(name, options.find(([value]) => value === event.currentTarget.value)?.[0])}
      >
        {options.map(([value, label]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </select>
    </label>
  );
}

function SettingsForm({ settings, canSplit }: { readonly settings: Settings; readonly canSplit: boolean }) {
  const shared = { settings };
  return (
    <section class="setup-part">
      <header class="row">
        <h3>{t("trainSettings")}</h3>
        {Object.keys(asked()).length > 0 && (
          <button type="button" class="link" onClick={resetAsked}>
            {t("trainReset")}
          </button>
        )}
      </header>
      <div class="settings">
        <NumberSetting {...shared} name="epochs" text="trainEpochs" />
        <NumberSetting {...shared} name="batchSize" text="trainBatch" />
        <NumberSetting {...shared} name="lr" text="trainRate" step="any" min={1e-9} />
        <ChoiceSetting
          {...shared}
          name="optimizer"
          text="trainOptimizer"
          options={[
            ["sgd", "SGD"],
            ["adamw", "AdamW"],
          ]}
        />
      </div>
      <details class="more-settings">
        <summary>{t("trainMore")}</summary>
        <div class="settings">
          <ChoiceSetting
            {...shared}
            name="schedule"
            text="trainSchedule"
            options={[
              ["cosine", t("trainCosine")],
              ["polynomial", t("trainPolynomial")],
              ["constant", t("trainConstant")],
            ]}
          />
          <NumberSetting {...shared} name="warmupEpochs" text="trainWarmup" step="any" min={0} />
          <NumberSetting {...shared} name="weightDecay" text="trainDecay" step="any" min={0} />
          <NumberSetting {...shared} name="labelSmoothing" text="trainSmoothing" step={0.05} min={0} max={0.95} />
          <NumberSetting {...shared} name="clipNorm" text="trainClip" step="any" min={0} />
          {canSplit && (
            <NumberSetting
              {...shared}
              name="validationFraction"
              text="trainHeldOut"
              step={0.05}
              min={0.01}
              max={0.95}
            />
          )}
          <NumberSetting {...shared} name="inputSize" text="trainSide" min={8} />
          <NumberSetting {...shared} name="seed" text="trainSeed" min={0} />
          <label class="setting">
            <span>{t("trainDevice")}</span>
            <select
              value={device.value ?? ""}
              onChange={({ currentTarget: { value } }) => {
                device.value = value === "webgpu" || value === "wasm" ? value : undefined;
              }}
            >
              <option value="">{t("trainAuto")}</option>
              <option value="webgpu">WebGPU</option>
              <option value="wasm">WebAssembly</option>
            </select>
          </label>
        </div>
      </details>
    </section>
  );
}
