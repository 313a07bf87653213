import { listOf } from "../../ui/format.ts";
import { costsOf } from "../compute.ts";
import { Presets, Slider, Stepper } from "../controls.tsx";
import { Losses, smooth } from "../figures/Losses.tsx";
import { CLASSES, SIDE } from "../lab/images.ts";
import { PlainNet, RATES } from "../lab/normalize.ts";
import type { Course, LabResult, Moment, Spread } from "../lab/protocol.ts";
import { type ExperimentProps, page } from "../page.ts";
import type { Values } from "../settings.ts";
import { say, word } from "../words.ts";

const RANGES = {
  l: { start: 8, min: 3, max: 12 },
  r: { start: 1, min: 0, max: 2 },
  t: { start: 40, min: 10, max: 160, step: 10 },
  m: { start: 100, min: 0, max: 100 },
} as const;

/** Share of the loss of guessing below which a network has learned something. */
const LEARNED = 0.85;
const GUESS = Math.log(CLASSES);

const ended = ({ loss }: Course) => smooth(loss).at(-1) ?? Number.NaN;
const learned = (course: Course) => ended(course) < LEARNED * GUESS;

function compute({ l, r, m }: Values<typeof RANGES>, measured?: LabResult) {
  const found = measured?.kind === "normalize" ? measured : undefined;
  const at = (moments: readonly Moment<Spread>[] | undefined) =>
    moments?.[Math.round((m / 100) * (moments.length - 1))];
  const [without, withNorm] = found?.spreads[r] ?? [];
  return {
    ...{ layers: l, rate: RATES[r]!, found, without: at(without), with: at(withNorm) },
    norms:
      costsOf(new PlainNet(l, true), [1, 3, SIDE, SIDE]).params -
      costsOf(new PlainNet(l, false), [1, 3, SIDE, SIDE]).params,
    plain: found?.courses.filter(([course]) => learned(course)).length ?? 0,
    normalized: found?.courses.filter(([, course]) => learned(course)).length ?? 0,
  };
}

type Result = ReturnType<typeof compute>;
type Props = ExperimentProps<typeof RANGES, Result>;

const names = () => ({ without: say("without", "没有"), with: say("with", "有") });

interface SpreadsProps {
  readonly title: string;
  readonly moment: Moment<Spread> | undefined;
  readonly layers: number;
  readonly most: number;
  readonly kind: string;
}

/** One row for each layer: the middle half and nine tenths of what its activation gets. */
function Spreads({ title, moment, layers, most, kind }: SpreadsProps) {
  const place = (value: number) => 50 + 50 * Math.max(-1, Math.min(1, value / most));
  return (
    <div class="spreads">
      <p>{title}</p>
      <ol>
        {Array.from({ length: layers }, (_, i) => layers - 1 - i).map((i) => {
          const spread = moment?.values[i];
          const finite = spread?.every(Number.isFinite);
          const [a, b, c, d, e] = (spread ?? [0, 0, 0, 0, 0]).map(place) as unknown as Spread;
          return (
            <li key={i}>
              <span>{i + 1}</span>
              <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                <line class="spread-zero" x1="50" x2="50" y1="0" y2="10" />
                {finite && (
                  <g class={`kind-${kind}`}>
                    <rect class="spread-most" x={a} width={Math.max(0.6, e - a)} y="3.5" height="3" />
                    <rect class="spread-half" x={b} width={Math.max(0.6, d - b)} y="1" height="8" />
                    <line class="spread-middle" x1={c} x2={c} y1="0" y2="10" />
                  </g>
                )}
              </svg>
              <b>{!spread ? "" : finite ? `±${digits(Math.max(Math.abs(spread[0]), Math.abs(spread[4])))}` : "NaN"}</b>
            </li>
          );
        })}
      </ol>
    </div>
  );
}

const digits = (value: number) =>
  value >= 10
    ? String(Math.round(value))
    : value >= 0.005 || value === 0
      ? value.toPrecision(2)
      : value.toExponential(0);

function Figure({ result, revealed }: Props) {
  const { found, layers, rate } = result;
  const moments = [result.without, result.with].map((moment) => (revealed ? moment : undefined));
  const most = Math.max(
    0.01,
    ...moments.flatMap((moment) => moment?.values.flatMap(([a, , , , e]) => [-a, e]) ?? []).filter(Number.isFinite),
  );
  return (
    <figure class="figure">
      <div class="three">
        {RATES.map((one, i) => {
          const courses = revealed ? found?.courses[i] : undefined;
          const empty = { name: "", steps: [], loss: [] };
          return (
            <Losses
              key={one}
              title={say(`Learning rate ${one}`, `学习率 ${one}`)}
              total={found?.total ?? RANGES.t.start}
              most={1.6}
              guess={GUESS}
              lines={[
                { course: courses?.[0] ?? empty, name: names().without, color: "--muted", dash: true },
                { course: courses?.[1] ?? empty, name: names().with, color: "--norm-edge" },
              ]}
            />
          );
        })}
      </div>
      <section aria-label={say("Distribution of activations", "激活值的分布")}>
        <p class="share-head">
          <span>
            {say(
              `What each layer's ReLU gets, at learning rate ${rate}${moments[0] ? `, before step ${moments[0].step}` : ""}`,
              `各层 ReLU 的输入，学习率 ${rate}${moments[0] ? `，第 ${moments[0].step} 步之前` : ""}`,
            )}
          </span>
        </p>
        <div class="pair">
          <Spreads title={names().without} moment={moments[0]} layers={layers} most={most} kind="dropout" />
          <Spreads title={names().with} moment={moments[1]} layers={layers} most={most} kind="norm" />
        </div>
        <p class="scale-note">
          {say(
            "The box holds the middle half of the numbers, the line nine tenths; both sides have one scale. The image enters at the bottom.",
            "方框内是中间一半的数，横条内是十分之九；两边刻度相同。图像从底部进入。",
          )}
        </p>
      </section>
    </figure>
  );
}

function Controls({ values, result, set }: Props) {
  const rates = RATES.map((rate, i) => ({
    name: say(`Rate ${rate}`, `学习率 ${rate}`),
    on: values.r === i,
    apply: () => set({ r: i }),
  }));
  return (
    <>
      {result.found && (
        <>
          <Presets label={say("Learning rate of the distributions", "分布所用的学习率")} presets={rates} />
          <Slider
            label={word("moment")}
            range={RANGES.m}
            value={values.m}
            shown={result.with ? say(`step ${result.with.step}`, `第 ${result.with.step} 步`) : ""}
            onChange={(m) => set({ m })}
          />
        </>
      )}
      <Slider label={say("Steps", "步数")} range={RANGES.t} value={values.t} onChange={(t) => set({ t })} />
      <Stepper
        label={say("3×3 convolutions", "3×3 卷积的个数")}
        less={say("One fewer", "减少一个")}
        more={say("One more", "增加一个")}
        range={RANGES.l}
        value={values.l}
        onChange={(l) => set({ l })}
      />
    </>
  );
}

const formula = () => (
  <p>
    y = γ · <b class="ink-norm">(x − μ) / √(σ² + ε)</b> + β
  </p>
);

const listed = (found: NonNullable<Result["found"]>, i: 0 | 1) =>
  listOf(found.courses.map((pair) => (Number.isFinite(ended(pair[i])) ? ended(pair[i]).toFixed(2) : "NaN")));

const top = ({ found, layers }: Result, i: 0 | 1) => {
  const values = found!.spreads[1]![i].at(0)!.values;
  const width = (spread: Spread) => spread[4] - spread[0];
  return width(values[layers - 1]!) / width(values[0]!);
};

export const NORMALIZE = page({
  id: "normalize",
  source: "Batch normalization, 2015",
  ranges: RANGES,
  question: ({ l, t }) => ({ kind: "normalize", layers: l, steps: t }),
  compute,
  right: ({ found, plain }) => (!found?.done ? undefined : plain === 3 ? 0 : plain === 0 ? 2 : 1),
  Figure,
  Controls,
  explore: () => ({ net: "vgg_small" }),
  en: {
    title: "Why normalize",
    claim:
      "Normalizing what each layer gets lets a deep network train at learning rates at which it otherwise stands still or breaks.",
    question: `The same plain network is trained at learning rates ${RATES.join(", ")}. At how many of them does it learn without normalization?`,
    choices: ["At all three", "At one or two", "At none"],
    task: "Move through the training and watch the distributions. Take layers away until normalization is no longer needed.",
    happened: (result) => (
      <>
        The loss of guessing is {GUESS.toFixed(2)}. At the rates {listOf(RATES.map(String))}, it ended at{" "}
        {listed(result.found!, 0)} without and at <b class="ink-norm">{listed(result.found!, 1)}</b> with normalization.
        So {result.plain} of 3 learned without, {result.normalized} of 3 with.{" "}
        {result.plain >= result.normalized && (
          <b>
            Normalization helped none of them to learn that did not learn by itself: with {result.layers} layers it is
            not needed.
          </b>
        )}
      </>
    ),
    why: (result) => (
      <>
        Without it, every layer passes on the scale of what it got. Before the first step, the numbers at the last layer
        spread {digits(top(result, 0))} times as wide as those at the first; with normalization it is{" "}
        {digits(top(result, 1))} times. Gradients shrink or grow along with them, so one learning rate cannot suit all
        layers. Normalized layers have one scale, whatever the weights below are doing.
      </>
    ),
    formula,
    where: ({ norms, layers }) => (
      <>
        Behind each convolution of the study note's GoogLeNet, and in nearly every network since. Here it adds{" "}
        {norms.toLocaleString("en-US")} parameters net to {layers} convolutions, whose biases it makes superfluous. The
        network is small, {CLASSES} classes of generated shapes, {SIDE}×{SIDE} pixels, so that it trains while you read.
      </>
    ),
    link: "VGG for small images, with batch normalization",
  },
  zh: {
    title: "为什么要归一化",
    claim: "对每层的输入做归一化，深层网络就能用原本会停滞或崩溃的学习率来训练。",
    question: `同一个普通网络分别用学习率 ${RATES.join("、")} 训练。没有归一化时，有几个学习率能学到东西？`,
    choices: ["三个都能", "一个或两个", "都不能"],
    task: "拖动训练的时刻，观察分布的变化。减少层数，直到不再需要归一化。",
    happened: (result) => (
      <>
        随机猜测的损失是 {GUESS.toFixed(2)}。学习率为 {listOf(RATES.map(String))} 时，没有归一化的损失最后为{" "}
        {listed(result.found!, 0)}，有归一化时为 <b class="ink-norm">{listed(result.found!, 1)}</b>。没有归一化时 3
        个中有 {result.plain} 个学到了东西，有归一化时有 {result.normalized} 个。
        {result.plain >= result.normalized && <b>归一化没有带来更多能学习的情形：{result.layers} 层时并不需要它。</b>}
      </>
    ),
    why: (result) => (
      <>
        没有归一化时，每一层都把输入的尺度传下去。在第一步之前，最后一层的数的分布宽度是第一层的{" "}
        {digits(top(result, 0))} 倍；有归一化时是 {digits(top(result, 1))}{" "}
        倍。梯度也随之缩小或增大，因此一个学习率无法适合所有层。归一化之后，无论下面的权重如何变化，各层的尺度都相同。
      </>
    ),
    formula,
    where: ({ norms, layers }) => (
      <>
        学习笔记中 GoogLeNet 的每个卷积之后，以及此后几乎所有网络。这里它给 {layers} 个卷积净增{" "}
        {norms.toLocaleString("en-US")} 个参数，并使卷积的偏置成为多余。网络很小，{CLASSES} 类生成的图形，{SIDE}×{SIDE}{" "}
        像素，因此在你阅读时就能训练完。
      </>
    ),
    link: "查看带批归一化的小型 VGG",
  },
});
