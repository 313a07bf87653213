import { Answer } from "../answer.tsx";
import { slide } from "../compute.ts";
import { Presets, Slider, Switch } from "../controls.tsx";
import { type ExperimentProps, page } from "../page.ts";
import { say, word } from "../words.ts";

const RANGES = {
  n: { start: 112, min: 4, max: 224 },
  k: { start: 3, min: 1, max: 7 },
  s: { start: 2, min: 1, max: 4 },
  d: { start: 0, min: 0, max: 3 },
  c: { start: 1, min: 0, max: 1 },
  o: { start: 1, min: 0, max: 1 },
} as const;

interface Settings {
  readonly n: number;
  readonly k: number;
  readonly s: number;
  readonly d: number;
  readonly c: number;
  readonly o: number;
}

function compute({ n, k, s, d, c, o }: Settings) {
  const window = { size: n, kernel: k, stride: s, padding: d, pool: o === 1 };
  const ceil = c === 1 && o === 1;
  const floored = slide({ ...window, ceil: false });
  return { ...window, ceil, floored, ceiled: window.pool ? slide({ ...window, ceil: true }) : floored };
}

type Result = ReturnType<typeof compute>;
type Props = ExperimentProps<typeof RANGES, Result>;

const shownOf = (result: Result) => (result.ceil ? result.ceiled : result.floored);
const outOf = (result: { out: number } | { error: string }) => ("out" in result ? result.out : 0);

const WIDTH = 720;
const [TOP, ROW] = [34, 18];

/** The pixels of a row, the windows that slide over them, and the pixels that come out. */
function Ruler({ result }: { readonly result: Result }) {
  const { size, kernel, stride, padding } = result;
  const out = outOf(shownOf(result));
  const end = Math.max(size + 2 * padding, (out - 1) * stride + kernel);
  const cell = WIDTH / end;
  const gap = Math.min(2, cell * 0.15);
  const rows = Math.ceil(kernel / stride);
  const bottom = TOP + 10 + rows * ROW + 14;
  const box = Math.min(24, cell * stride * 0.8);
  const windows = Array.from({ length: out }, (_, i) => i);
  const isOver = (i: number) => i * stride + kernel > size + 2 * padding;
  return (
    <svg
      class="ruler"
      viewBox={`-1 0 ${WIDTH + 2} ${bottom + 26}`}
      role="img"
      aria-label={say(`${size} pixels in, ${out} pixels out`, `输入 ${size} 像素，输出 ${out} 像素`)}
    >
      {Array.from({ length: end }, (_, i) => {
        const isPixel = i >= padding && i < padding + size;
        return (
          <rect
            key={i}
            class={isPixel ? "pixel" : "padding"}
            x={i * cell + gap / 2}
            y={Math.max(0, TOP - Math.max(18, cell))}
            width={cell - gap}
            height={Math.min(TOP, Math.max(18, cell)) - gap}
            rx={Math.min(3, cell / 5)}
          />
        );
      })}
      {windows.map((i) => (
        <g key={i} class={`window kind-${result.pool ? "pool" : "conv"}${isOver(i) ? " is-over" : ""}`}>
          <rect
            x={i * stride * cell + gap / 2}
            y={TOP + 10 + (i % rows) * ROW}
            width={kernel * cell - gap}
            height={ROW - 5}
            rx="2"
          />
          <rect x={(i * stride + kernel / 2) * cell - box / 2} y={bottom} width={box} height={box} rx={box / 6} />
        </g>
      ))}
    </svg>
  );
}

function Figure({ result, revealed }: Props) {
  const shown = shownOf(result);
  return (
    <figure class="figure">
      <p class="in-out" aria-live="polite">
        {"out" in shown ? (
          <>
            <b>{result.size}</b> <span>→</span>{" "}
            <b class={result.pool ? "ink-pool" : "ink-conv"}>
              <Answer>{shown.out}</Answer>
            </b>
          </>
        ) : (
          <span class="misfit">{shown.error}</span>
        )}
      </p>
      {revealed && "out" in shown && <Ruler result={result} />}
    </figure>
  );
}

const PRESETS = () => [
  { name: say("GoogLeNet's first pool", "GoogLeNet 的第一个池化"), settings: { n: 112, k: 3, s: 2, d: 0, c: 1, o: 1 } },
  {
    name: say("GoogLeNet's first convolution", "GoogLeNet 的第一个卷积"),
    settings: { n: 224, k: 7, s: 2, d: 3, c: 0, o: 0 },
  },
  { name: say("A 3×3 of VGG", "VGG 的 3×3"), settings: { n: 14, k: 3, s: 1, d: 1, c: 0, o: 0 } },
  { name: say("The same pool, close up", "放大看同样的池化"), settings: { n: 12, k: 3, s: 2, d: 0, c: 1, o: 1 } },
];

function Controls({ values, set }: Props) {
  const isOn = (settings: Settings) => Object.entries(settings).every(([key, value]) => values[key as "n"] === value);
  const presets = PRESETS().map(({ name, settings }) => ({ name, on: isOn(settings), apply: () => set(settings) }));
  const slider = (key: "n" | "k" | "s" | "d", label: string) => (
    <Slider label={label} range={RANGES[key]} value={values[key]} onChange={(value) => set({ [key]: value })} />
  );
  return (
    <>
      <Presets label={word("presets")} presets={presets} />
      <div class="slider-pair">
        {slider("n", say("Pixels in", "输入像素"))}
        {slider("k", say("Kernel", "窗口大小"))}
        {slider("s", say("Stride", "步长"))}
        {slider("d", say("Padding", "填充"))}
      </div>
      <div class="switches">
        <Switch
          label={say("Round up (ceil_mode)", "向上取整（ceil_mode）")}
          on={values.c === 1 && values.o === 1}
          disabled={values.o === 0}
          onChange={(on) => set({ c: on ? 1 : 0 })}
        />
        <Switch
          label={say("Pool, not convolution", "池化（否则为卷积）")}
          kind="pool"
          on={values.o === 1}
          onChange={(on) => set({ o: on ? 1 : 0 })}
        />
      </div>
    </>
  );
}

function formula(result: Result) {
  const { size, kernel, stride, padding, ceil } = result;
  const shown = shownOf(result);
  const [open, close] = ceil ? ["⌈", "⌉"] : ["⌊", "⌋"];
  const exact = (size + 2 * padding - kernel) / stride;
  const count = (ceil ? Math.ceil(exact) : Math.floor(exact)) + 1;
  return (
    <>
      <p>
        {open}({say("in", "输入")} + 2 · {say("padding", "填充")} − {say("kernel", "窗口")}) / {say("stride", "步长")}
        {close} + 1
      </p>
      <p>
        = {open}({size} + 2 · {padding} − {kernel}) / {stride}
        {close} + 1 = {open}
        {Number(exact.toFixed(2))}
        {close} + 1 = <b>{"out" in shown ? count : "–"}</b>
      </p>
      {"out" in shown && shown.out !== count && (
        <p>
          − {count - shown.out} ={" "}
          <b>
            <Answer>{shown.out}</Answer>
          </b>
          {say(": the last window would begin in the padding", "：最后一个窗口会从填充处开始")}
        </p>
      )}
    </>
  );
}

const differ = ({ floored, ceiled }: Result) => outOf(floored) !== outOf(ceiled);

export const SLIDING = page({
  id: "padding-stride-ceil",
  source: "GoogLeNet, 2014",
  ranges: RANGES,
  compute,
  right: () => 1,
  Figure,
  Controls,
  explore: () => ({ net: "googlenet", selected: "maxpool1" }),
  en: {
    title: "Padding, stride, ceil",
    claim: "The size of the output is a count of windows, and the last one may hang over the edge.",
    question: "A pool of 3×3 with stride 2 slides over 112 pixels. How many come out if every window has to fit?",
    choices: ["56, half of them", "55", "57"],
    task: "Set the ruler. Windows are drawn below the pixels; one that hangs over the edge is marked.",
    happened: (result) =>
      "error" in result.floored ? (
        result.floored.error
      ) : differ(result) ? (
        <>
          {outOf(result.floored)} windows fit into {result.size} pixels, and what is left over is never looked at. With
          ceil_mode there is one more, which hangs over the edge:{" "}
          <b class="ink-pool">
            {result.size} → {outOf(result.ceiled)}
          </b>
          .
        </>
      ) : (
        <>
          {outOf(result.floored)} windows fit into {result.size} pixels
          {result.padding > 0 && ` and ${result.padding} of padding on each side`}.{" "}
          {result.pool && "They end with the last pixel, so rounding up changes nothing."}
        </>
      ),
    why: ({ kernel, stride }) => (
      <>
        The first window covers {kernel} pixels, each further one moves on by {stride}. Where the rest does not fill a
        stride, somebody has to decide. PyTorch and ONNX round down, unless told otherwise; a convolution always does.
        Padding of (kernel − 1) / 2 keeps the size at stride 1.
      </>
    ),
    formula,
    where: () => (
      <>
        GoogLeNet's paper has 112 → 56 → 28 → 14 → 7. With pools of 3×3 and stride 2, that needs ceil_mode: the study
        note sets it on every pool. Without it, weights still load, and all maps are one pixel smaller.
      </>
    ),
    link: "This pool in GoogLeNet",
  },
  zh: {
    title: "填充、步长与取整",
    claim: "输出的大小就是窗口的个数，而最后一个窗口可以越过边缘。",
    question: "3×3、步长 2 的池化在 112 个像素上滑动。若每个窗口都必须完整放下，输出多少像素？",
    choices: ["56，正好一半", "55", "57"],
    task: "调节这把尺子。窗口画在像素下方，越过边缘的会标出。",
    happened: (result) =>
      "error" in result.floored ? (
        result.floored.error
      ) : differ(result) ? (
        <>
          {result.size} 个像素能放下 {outOf(result.floored)} 个窗口，余下的像素不会被看到。启用 ceil_mode
          会多出一个越过边缘的窗口：
          <b class="ink-pool">
            {result.size} → {outOf(result.ceiled)}
          </b>
          。
        </>
      ) : (
        <>
          {result.size} 个像素{result.padding > 0 && `加上两侧各 ${result.padding} 个填充`}能放下{" "}
          {outOf(result.floored)} 个窗口。{result.pool && "它们恰好到最后一个像素为止，向上取整没有影响。"}
        </>
      ),
    why: ({ kernel, stride }) => (
      <>
        第一个窗口覆盖 {kernel} 个像素，之后每个窗口前移 {stride} 个。若余下的不足一个步长，就必须作出选择。PyTorch 与
        ONNX 默认向下取整，卷积则总是如此。步长为 1 时，填充 (窗口 − 1) / 2 可保持大小不变。
      </>
    ),
    formula,
    where: () => (
      <>
        GoogLeNet 论文中的尺寸为 112 → 56 → 28 → 14 → 7。池化为 3×3、步长 2 时，这需要
        ceil_mode，笔记中的每个池化都设置了它。若不设置，权重照样能载入，但所有特征图都会小一个像素。
      </>
    ),
    link: "查看 GoogLeNet 中的这个池化",
  },
});
