import { useSignal } from "@preact/signals";
import { Redo2, Undo2 } from "lucide";
import { useEffect } from "preact/hooks";
import type { Card } from "../bench/protocol.ts";
import { canRedo, canUndo, discard, edit, parseEdits, redo, undo } from "../state/edits.ts";
import { route } from "../state/route.ts";
import { t } from "../text/index.ts";
import { Icon } from "../ui/Icon.tsx";

/** Settings that can be changed, in the order of the code. */
const EDITABLE = [
  "inChannels",
  "outChannels",
  "inFeatures",
  "outFeatures",
  "numFeatures",
  "kernelSize",
  "stride",
  "padding",
  "dilation",
  "groups",
  "outputSize",
  "size",
  "p",
] as const;
type Editable = (typeof EDITABLE)[number];

/** What layers have that do not say so, by their class. */
const DEFAULTS: readonly (readonly [type: RegExp, settings: Partial<Record<Editable, number | "kernelSize">>])[] = [
  [/^Conv/, { stride: 1, padding: 0, dilation: 1, groups: 1 }],
  [/^(Max|Avg)Pool/, { stride: "kernelSize", padding: 0 }],
];

/** One number for a size that is the same in both directions; undefined for what cannot be changed here. */
function numberOf(value: unknown): number | undefined {
  if (Array.isArray(value)) return value.every((one) => one === value[0]) ? numberOf(value[0]) : undefined;
  return typeof value === "number" ? value : undefined;
}

function fieldsOf({ type, settings }: Card): (readonly [Editable, number])[] {
  const [, defaults = {}] = DEFAULTS.find(([pattern]) => pattern.test(type)) ?? [];
  return EDITABLE.flatMap((name) => {
    const usual = defaults[name];
    const given = name in settings ? settings[name] : usual === "kernelSize" ? settings.kernelSize : usual;
    const value = numberOf(given);
    return value === undefined ? [] : [[name, value] as const];
  });
}

/** "inChannels" as "in channels". */
const words = (name: string) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** The numbers of a layer; changing one changes the network at once. */
export function Settings({ card }: { readonly card: Card }) {
  const edits = parseEdits(route.value.edits);
  const fields = fieldsOf(card);
  if (fields.length === 0) return null;
  return (
    <section class="settings">
      <header>
        <h3>{t("edit")}</h3>
        <EditButtons />
      </header>
      <div class="fields">
        {fields.map(([name, value]) => {
          const changed = edits.find(({ path, setting }) => path === card.path && setting === name);
          return (
            <Field
              key={`${card.path} ${name}`}
              name={words(name)}
              value={changed?.value ?? value}
              changed={changed !== undefined}
              step={name === "p" ? 0.1 : 1}
              least={name === "padding" || name === "p" ? 0 : 1}
              onChange={(next) => edit([{ path: card.path, setting: name, value: next }])}
            />
          );
        })}
      </div>
    </section>
  );
}

/** Undo, redo, and all changes back. */
export function EditButtons() {
  return (
    <div class="edit-buttons">
      {route.value.edits.length > 0 && (
        <button type="button" class="link" onClick={discard}>
          {t("discard")}
        </button>
      )}
      <button
        type="button"
        class="quiet"
        title={`${t("undo")} (Ctrl Z)`}
        aria-label={t("undo")}
        disabled={!canUndo.value}
        onClick={undo}
      >
        <Icon icon={Undo2} size={16} />
      </button>
      <button
        type="button"
        class="quiet"
        title={`${t("redo")} (Ctrl ⇧Z)`}
        aria-label={t("redo")}
        disabled={!canRedo.value}
        onClick={redo}
      >
        <Icon icon={Redo2} size={16} />
      </button>
    </div>
  );
}

interface FieldProps {
  readonly name: string;
  readonly value: number;
  readonly changed: boolean;
  readonly step: number;
  readonly least: number;
  readonly onChange: (value: number) => void;
}

/** Milliseconds without a key after which a number that is typed counts. */
const PAUSE = 350;

function Field({ name, value, changed, step, least, onChange }: FieldProps) {
  const typed = useSignal(String(value));
  useEffect(() => {
    typed.value = String(value);
  }, [value, typed]);
  const wanted = Number(typed.value);
  const isValid =
    typed.value !== "" && Number.isFinite(wanted) && wanted >= least && (step < 1 || Number.isInteger(wanted));
  useEffect(() => {
    if (!isValid || wanted === value) return;
    const timer = setTimeout(() => onChange(wanted), PAUSE);
    return () => clearTimeout(timer);
  }, [wanted, isValid, value, onChange]);
  return (
    <label class={changed ? "is-changed" : undefined}>
      <span>{name}</span>
      <input
        type="number"
        inputMode="decimal"
        min={least}
        step={step}
        value={typed.value}
        aria-invalid={!isValid}
        onInput={({ currentTarget }) => {
          typed.value = currentTarget.value;
        }}
      />
    </label>
  );
}
