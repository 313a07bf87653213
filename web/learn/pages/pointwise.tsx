import { useEffect, useRef } from "preact/hooks";
import { theme } from "../../state/preferences.ts";
import { diverging } from "../../ui/colors.ts";
import { grouped } from "../../ui/format.ts";
import { pointwise } from "../compute.ts";
import { Presets, Slider, Switch } from "../controls.tsx";
import { mixture, PIXELS, SIDE } from "../mix.ts";
import { type ExperimentProps, page } from "../page.ts";
import { say, word } from "../words.ts";

const WEIGHT = { min: -1, max: 1, step: 0.05 } as const;
const PLACE = { min: 0, max: SIDE - 1 } as const;
const RANGES = {
  a: { ...WEIGHT, start: 0.3 },
  b: { ...WEIGHT, start: 0.6 },
  c: { ...WEIGHT, start: 0.1 },
  x: { ...PLACE, start: 16 },
  y: { ...PLACE, start: 12 },
  s: { start: 0, min: 0, max: 1 },
} as const;
const KEYS = ["a", "b", "c"] as const;

type Settings = { readonly [K in keyof typeof RANGES]: number };

function compute({ a, b, c, x, y, s }: Settings) {
  const weights = [a, b, c];
  const at = y * SIDE + x;
  const { image, output, same } = mixture(weights, s === 1);
  const pixel = image.map((channel) => channel[at]!);
  return { weights, x, y, image, output, same, pixel, value: output[at]!, ...pointwise(SIDE) };
}

type Result = ReturnType<typeof compute>;
type Props = ExperimentProps<typeof RANGES, Result>;

const two = (value: number) => value.toFixed(2).replace("-", "−");
const names = () => [say("Red", "红"), say("Green", "绿"), say("Blue", "蓝")];

interface MapProps {
  readonly values: Float32Array;
  readonly label: string;
  /** Values are drawn from black to white; without it, around a neutral middle. */
  readonly isGrey?: boolean;
  readonly most?: number;
  readonly x: number;
  readonly y: number;
  readonly set: Props["set"];
}

/** A map whose pixels can be chosen, by pointer or with the arrow keys. */
function PixelMap({ values, label, isGrey, most = 1, x, y, set }: MapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const colors = theme.value;
  useEffect(() => {
    const context = canvas.current!.getContext("2d")!;
    const pixels = context.createImageData(SIDE, SIDE);
    values.forEach((value, i) => {
      const color = isGrey ? [255 * value, 255 * value, 255 * value] : diverging(value / most, colors);
      pixels.data.set([...color, 255], 4 * i);
    });
    context.putImageData(pixels, 0, 0);
  }, [values, colors, isGrey, most]);
  const choose = (event: PointerEvent) => {
    if (event.type === "pointermove" && event.buttons === 0) return;
    const box = canvas.current!.getBoundingClientRect();
    const place = (from: number, start: number, size: number) => Math.floor(((from - start) / size) * SIDE);
    set({ x: place(event.clientX, box.left, box.width), y: place(event.clientY, box.top, box.height) });
  };
  const STEPS: Record<string, readonly [number, number]> = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, -1],
    ArrowDown: [0, 1],
  };
  const walk = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    set({ x: x + step[0], y: y + step[1] });
  };
  return (
    <div
      class="pixel-map"
      tabIndex={0}
      role="application"
      aria-label={say(
        `${label}; arrow keys choose a pixel. Column ${x + 1}, row ${y + 1}`,
        `${label}；用方向键选择像素。第 ${x + 1} 列，第 ${y + 1} 行`,
      )}
      style={`--x:${x};--y:${y};--side:${SIDE}`}
      onPointerDown={choose}
      onPointerMove={choose}
      onKeyDown={walk}
    >
      <canvas ref={canvas} width={SIDE} height={SIDE} aria-hidden="true" />
    </div>
  );
}

function Figure({ result, set }: Props) {
  const { image, output, weights, pixel, value, x, y } = result;
  const most = Math.max(
    0.05,
    weights.reduce((sum, weight) => sum + Math.abs(weight), 0),
  );
  const titles = names();
  return (
    <figure class="figure mix">
      <ol class="mix-in">
        {image.map((values, c) => (
          <li key={c}>
            <PixelMap values={values} label={titles[c]!} isGrey x={x} y={y} set={set} />
            <p>
              <span>
                {titles[c]} <b>{two(pixel[c]!)}</b>
              </span>
              <b class="ink-pointwise">× {two(weights[c]!)}</b>
            </p>
          </li>
        ))}
      </ol>
      <div class="mix-out">
        <PixelMap values={output} label={say("Output", "输出")} most={most} x={x} y={y} set={set} />
        <p class="mix-sum">
          <span>{say("the sum, at this pixel", "该像素处的和")}</span>
          <b>{two(value)}</b>
        </p>
      </div>
    </figure>
  );
}

const PRESETS = () => [
  { name: say("Brightness", "亮度"), settings: { a: 0.3, b: 0.6, c: 0.1 } },
  { name: say("Only red", "只要红色"), settings: { a: 1, b: 0, c: 0 } },
  { name: say("Red against blue", "红减蓝"), settings: { a: 1, b: 0, c: -1 } },
];

function Controls({ values, set }: Props) {
  const presets = PRESETS().map(({ name, settings }) => ({
    name,
    on: KEYS.every((key) => values[key] === settings[key]),
    apply: () => set(settings),
  }));
  return (
    <>
      <Presets label={word("presets")} presets={presets} />
      <div class="mix-sliders">
        {KEYS.map((key, c) => (
          <Slider
            key={key}
            label={names()[c]!}
            range={RANGES[key]}
            value={values[key]}
            shown={two(values[key])}
            kind="pointwise"
            onChange={(value) => set({ [key]: value })}
          />
        ))}
      </div>
      <Switch
        label={say("Shuffle the pixels", "打乱像素的位置")}
        kind="pointwise"
        on={values.s === 1}
        onChange={(on) => set({ s: on ? 1 : 0 })}
      />
    </>
  );
}

const formula = ({ weights, pixel, value }: Result) => (
  <>
    <p>
      <b class="ink-pointwise">y = Σ w · x</b>
    </p>
    <p>
      {weights.map(
        (weight, c) => `${c > 0 ? " + " : ""}${weight < 0 ? `(${two(weight)})` : two(weight)} · ${two(pixel[c]!)}`,
      )}{" "}
      = <b>{two(value)}</b>
    </p>
  </>
);

export const POINTWISE = page({
  id: "pointwise",
  source: "Network in Network, 2013",
  ranges: RANGES,
  compute,
  right: () => 2,
  Figure,
  Controls,
  explore: () => ({ net: "nin", selected: "block1.2" }),
  en: {
    title: "What a 1×1 convolution does",
    claim: "A 1×1 convolution mixes channels: each output pixel is a weighted sum over the channels at that pixel.",
    question: "The three weights can be anything. Can a 1×1 convolution find the edges in an image?",
    choices: ["Yes, with the right weights", "Only horizontal and vertical ones", "No, it cannot see an edge"],
    task: "Move the weights, choose a pixel in any of the maps, then shuffle the pixels.",
    happened: ({ same, field, params }) => (
      <>
        With {params} weights, three maps became one. After shuffling, {grouped(same)} of {grouped(PIXELS)} output
        pixels still have the number they had: where a pixel is, and what surrounds it, does not count. Its field is{" "}
        {field}×{field}, and an edge takes two pixels.
      </>
    ),
    why: ({ macs }) => (
      <>
        It is the same small linear layer at every pixel: one column of channels in, one number out for each filter,
        here {grouped(macs)} multiplications in all. So it can add channels, take their difference, make fewer or more
        of them, but it cannot look around. With a ReLU after it, it is a small network of its own at each pixel.
      </>
    ),
    formula,
    where: () => (
      <>
        Network in Network puts two after each larger convolution. In GoogLeNet they reduce channels before the 3×3 and
        the 5×5. MobileNet leaves all mixing to them, and all looking around to filters that each see one channel.
      </>
    ),
    link: "The first 1×1 of NiN",
  },
  zh: {
    title: "1×1 卷积做了什么",
    claim: "1×1 卷积混合通道：输出的每个像素是同一位置各通道的加权和。",
    question: "三个权重可以任取。1×1 卷积能找出图像中的边缘吗？",
    choices: ["能，只要权重合适", "只能找水平和竖直的", "不能，它看不到边缘"],
    task: "移动权重，在任一图中选择一个像素，再打乱像素的位置。",
    happened: ({ same, field, params }) => (
      <>
        {params} 个权重把三个图变成一个。打乱之后，{grouped(PIXELS)} 个输出像素中有 {grouped(same)}{" "}
        个的数值保持不变：像素在哪里、周围是什么都无关紧要。它的感受野是 {field}×{field}，而边缘至少需要两个像素。
      </>
    ),
    why: ({ macs }) => (
      <>
        它相当于在每个像素上使用同一个小的全连接层：输入一列通道，每个滤波器输出一个数，这里共 {grouped(macs)}{" "}
        次乘法。因此它能把通道相加、相减，减少或增加通道，却不能观察周围。后接 ReLU 时，它就是每个像素上的一个小网络。
      </>
    ),
    formula,
    where: () => (
      <>
        NiN 在每个较大的卷积之后放两个 1×1。GoogLeNet 用它们在 3×3 与 5×5 之前减少通道。MobileNet
        把混合通道全部交给它们，把观察周围交给只看一个通道的滤波器。
      </>
    ),
    link: "查看 NiN 的第一个 1×1",
  },
});
