/** What experiments are set with. */
import { Minus, Plus } from "lucide";
import type { ComponentChildren } from "preact";
import { Icon } from "../ui/Icon.tsx";
import type { Range } from "./settings.ts";

interface SliderProps {
  readonly label: string;
  readonly range: Range;
  readonly value: number;
  readonly onChange: (value: number) => void;
  /** The value as it is shown, where it is not only the number. */
  readonly shown?: string;
  readonly kind?: string;
}

export function Slider({ label, range, value, onChange, shown, kind }: SliderProps) {
  const { min, max, step = 1 } = range;
  return (
    <label class={`slider${kind ? ` kind-${kind}` : ""}`}>
      <span>{label}</span>
      <output>{shown ?? value}</output>
      <input
        type="range"
        min={min}
        max={max}
        step={step}
        value={value}
        style={`--part:${(100 * (value - min)) / (max - min)}%`}
        aria-valuetext={shown}
        onInput={(event) => onChange(Number(event.currentTarget.value))}
      />
    </label>
  );
}

interface StepperProps {
  readonly label: string;
  readonly range: Range;
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly less: string;
  readonly more: string;
}

/** Two buttons around a number. */
export function Stepper({ label, range, value, onChange, less, more }: StepperProps) {
  return (
    <div class="stepper" role="group" aria-label={label}>
      <span>{label}</span>
      <button
        type="button"
        class="button"
        aria-label={less}
        disabled={value <= range.min}
        onClick={() => onChange(value - 1)}
      >
        <Icon icon={Minus} size={16} />
      </button>
      <output aria-live="polite">{value}</output>
      <button
        type="button"
        class="button"
        aria-label={more}
        disabled={value >= range.max}
        onClick={() => onChange(value + 1)}
      >
        <Icon icon={Plus} size={16} />
      </button>
    </div>
  );
}

interface SwitchProps {
  readonly label: ComponentChildren;
  readonly on: boolean;
  readonly onChange: (on: boolean) => void;
  readonly disabled?: boolean;
  readonly kind?: string;
}

export function Switch({ label, on, onChange, disabled, kind }: SwitchProps) {
  return (
    <button
      type="button"
      class={`switch${kind ? ` kind-${kind}` : ""}`}
      role="switch"
      aria-checked={on}
      disabled={disabled}
      onClick={() => onChange(!on)}
    >
      <i aria-hidden="true" />
      {label}
    </button>
  );
}

interface PresetsProps {
  readonly label: string;
  readonly presets: readonly { readonly name: string; readonly on: boolean; readonly apply: () => void }[];
}

/** Settings worth trying. */
export function Presets({ label, presets }: PresetsProps) {
  return (
    <div class="presets" role="group" aria-label={label}>
      {presets.map(({ name, on, apply }) => (
        <button key={name} type="button" class="button" aria-pressed={on} onClick={apply}>
          {name}
        </button>
      ))}
    </div>
  );
}
