import { t } from "../text/index.ts";
import { digits } from "../ui/format.ts";

type ByLayer = Readonly<Record<string, number>>;

interface Props {
  readonly norms: ByLayer;
  /** Those of the other run, so that both have one axis. */
  readonly beside?: ByLayer | undefined;
  readonly name: string;
  readonly color: string;
}

const WIDTH = 420;
const HEIGHT = 92;
/** Decades that are shown at least. */
const DECADES = 3;

/** The norm of the gradient of each layer's weight as bars from the input to the output, on a logarithmic axis. */
export function Norms({ norms, beside, name, color }: Props) {
  const layers = Object.entries(norms);
  const all = [...layers.map(([, norm]) => norm), ...Object.values(beside ?? {})].filter((norm) => norm > 0);
  const top = Math.ceil(Math.log10(Math.max(...all, 1e-12)));
  const bottom = Math.min(top - DECADES, Math.floor(Math.log10(Math.min(...all, 1))));
  const share = (norm: number) => (norm > 0 ? Math.max(0, (Math.log10(norm) - bottom) / (top - bottom)) : 0);
  const step = WIDTH / Math.max(1, layers.length);
  const decades = Array.from({ length: top - bottom + 1 }, (_, i) => top - i);
  const [first, last] = [layers[0], layers.at(-1)];
  const facts = first && last ? `${first[0]} ${digits(first[1])}, ${last[0]} ${digits(last[1])}` : "";
  return (
    <figure class="norms">
      <figcaption>
        <h4>{t("trainNorms")}</h4>
        <span class="muted">{name}</span>
      </figcaption>
      <div>
        <ol class="norm-axis" aria-hidden="true">
          <li>{`10${superscript(top)}`}</li>
          <li>{`10${superscript(bottom)}`}</li>
        </ol>
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={t("trainNormsLabel", { name, facts })}
        >
          {decades.map((decade) => (
            <path key={decade} d={`M0 ${HEIGHT - HEIGHT * share(10 ** decade)}H${WIDTH}`} />
          ))}
          {layers.map(([layer, norm], i) => (
            <rect
              key={layer}
              x={i * step + step * 0.12}
              width={step * 0.76}
              y={HEIGHT - HEIGHT * share(norm)}
              height={HEIGHT * share(norm)}
              style={{ fill: `var(${color})` }}
            >
              <title>{`${layer}: ${digits(norm)}`}</title>
            </rect>
          ))}
        </svg>
      </div>
      <p class="muted norm-ends">
        <span>{first?.[0]}</span>
        <span>{last?.[0]}</span>
      </p>
    </figure>
  );
}

const superscript = (exponent: number) =>
  [...String(exponent)].map((digit) => (digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)])).join("");
