import { t } from "../text/index.ts";

interface Props {
  /** Pixels [height, width]; Infinity for the whole image. */
  readonly field: readonly [number, number];
  /** Height and width of the image. */
  readonly image: readonly number[];
}

const SIDE = 92;
const LEAST = 5;

/** The receptive field of one output pixel, on the image in scale. */
export function FieldView({ field, image }: Props) {
  const [H = 1, W = 1] = image;
  const whole = field.some((size) => !Number.isFinite(size));
  const k = SIDE / Math.max(H, W);
  const seen = whole ? [H, W] : field;
  // a field of few pixels would not be visible
  const [height, width] = seen.map((size) => Math.max(size, LEAST / k)) as [number, number];
  return (
    <section class="field">
      <svg viewBox={`-14 -14 ${SIDE + 28} ${SIDE + 28}`} width={SIDE + 28} height={SIDE + 28} aria-hidden="true">
        <rect class="field-image" width={W * k} height={H * k} rx="3" />
        <path class="field-grid" d={grid(W * k, H * k)} />
        <rect
          class="field-seen"
          x={Math.max(-12, (W * k - width * k) / 2)}
          y={Math.max(-12, (H * k - height * k) / 2)}
          width={Math.min(width * k, W * k + 24)}
          height={Math.min(height * k, H * k + 24)}
          rx={Math.min(3, (width * k) / 4)}
        />
        <circle class="field-pixel" cx={(W * k) / 2} cy={(H * k) / 2} r="2" />
      </svg>
      <div>
        <h3>{t("field")}</h3>
        <p>
          <b>{whole ? t("wholeImage") : `${field[0]} × ${field[1]}`}</b>
        </p>
        {!whole && <p class="muted">{t("ofImage", { size: `${field[0]} × ${field[1]}`, image: `${H} × ${W}` })}</p>}
      </div>
    </section>
  );
}

const LINES = 8;

function grid(width: number, height: number): string {
  return Array.from({ length: LINES - 1 }, (_, i) => {
    const part = (i + 1) / LINES;
    return `M${part * width} 0v${height}M0 ${part * height}h${width}`;
  }).join("");
}
