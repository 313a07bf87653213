import { grouped } from "../../ui/format.ts";
import { costsOf } from "../compute.ts";
import { Slider, Stepper, Switch } from "../controls.tsx";
import { Losses, smooth } from "../figures/Losses.tsx";
import { AuxiliaryNet } from "../lab/auxiliary.ts";
import { CLASSES, SIDE } from "../lab/images.ts";
import type { AuxiliaryResult, LabResult, Moment } from "../lab/protocol.ts";
import { type ExperimentProps, page } from "../page.ts";
import type { Values } from "../settings.ts";
import { say, word } from "../words.ts";

const RANGES = {
  b: { start: 5, min: 3, max: 8 },
  w: { start: 0.3, min: 0.1, max: 1, step: 0.1 },
  n: { start: 0, min: 0, max: 1 },
  t: { start: 40, min: 10, max: 160, step: 10 },
  m: { start: 100, min: 0, max: 100 },
} as const;

function compute({ b, w, n, m }: Values<typeof RANGES>, measured?: LabResult) {
  const of = (auxiliary: boolean) => new AuxiliaryNet(b, { normalized: n === 1, auxiliary });
  const [plain, heads] = [false, true].map((auxiliary) => costsOf(of(auxiliary), [1, 3, SIDE, SIDE], true).params);
  const found = measured?.kind === "auxiliary" ? measured : undefined;
  const at = (moments: readonly Moment<number>[] | undefined) =>
    moments?.[Math.round((m / 100) * (moments.length - 1))];
  return {
    ...{ blocks: b, weight: w, normalized: n === 1, plain: plain!, heads: heads! - plain!, found },
    without: at(found?.norms.without),
    with: at(found?.norms.with),
    ratio: found && ratioOf(found),
  };
}

/** How many times larger the gradient of the first block is with the auxiliary classifiers: the median over the training. */
function ratioOf({ norms }: AuxiliaryResult): number | undefined {
  const all = norms.with.map(({ values }, i) => values[1]! / norms.without[i]!.values[1]!).sort((a, b) => a - b);
  return all[Math.floor(all.length / 2)];
}

type Result = ReturnType<typeof compute>;
type Props = ExperimentProps<typeof RANGES, Result>;

const names = () => ({ without: say("without", "没有"), with: say("with", "有") });

/** 0.0031 and the like, with two digits. */
const two = (value: number) =>
  value === 0 ? "0" : value >= 0.01 && value < 1000 ? String(Number(value.toPrecision(2))) : value.toExponential(1);

function Figure({ result, revealed }: Props) {
  const { found, blocks } = result;
  const [without, withAux] = [result.without?.values ?? [], result.with?.values ?? []];
  const all = [...(found?.norms.without ?? []), ...(found?.norms.with ?? [])]
    .flatMap(({ values }) => values)
    .filter((value) => value > 0 && Number.isFinite(value));
  const [low, high] = [Math.floor(Math.log10(Math.min(1, ...all))), Math.ceil(Math.log10(Math.max(1, ...all)))];
  const part = (value: number | undefined) =>
    value && value > 0 ? Math.max(0.01, (Math.log10(value) - low) / (high - low)) : 0;
  const heads = [Math.round(blocks / 3), Math.round((2 * blocks) / 3)];
  return (
    <figure class="figure">
      <section class="norms" aria-label={say("Gradient norm of each block", "各模块的梯度范数")}>
        <p class="share-head">
          <span>{say("Gradient norm of each block", "各模块的梯度范数")}</span>
          <span class="chart-legend">
            <span>
              <i class="is-dashed" style="--line-color:var(--muted)" /> {names().without}
            </span>
            <span>
              <i style="--line-color:var(--linear-edge)" /> {names().with}
            </span>
          </span>
        </p>
        <ol>
          {Array.from({ length: blocks + 1 }, (_, i) => blocks - i).map((i) => (
            <li key={i}>
              <span>
                {i === 0 ? say("stem", "起始") : say(`block ${i}`, `模块 ${i}`)}
                {heads.includes(i) && (
                  <small>{say(`aux ${heads.indexOf(i) + 1}`, `辅助 ${heads.indexOf(i) + 1}`)}</small>
                )}
              </span>
              <span class="norm-bars">
                <i class="is-plain" style={`--part:${revealed ? part(without[i]) : 0}`} />
                <i class="kind-linear" style={`--part:${revealed ? part(withAux[i]) : 0}`} />
              </span>
              <b>{revealed && without[i] !== undefined ? two(without[i]!) : ""}</b>
              <b class="ink-linear">{revealed && withAux[i] !== undefined ? two(withAux[i]!) : ""}</b>
            </li>
          ))}
        </ol>
        <p class="scale-note">
          {result.without && revealed
            ? say(
                `Before step ${result.without.step}. Logarithmic, ${10 ** low} to ${10 ** high}.`,
                `第 ${result.without.step} 步之前。对数刻度，${10 ** low} 到 ${10 ** high}。`,
              )
            : say("The image enters at the bottom.", "图像从底部进入。")}
        </p>
      </section>
      {found && revealed && (
        <Losses
          title={say("Loss of the main output", "主输出的损失")}
          total={found.total}
          most={1.6}
          guess={GUESS}
          lines={[
            { course: found.without, name: names().without, color: "--muted", dash: true },
            { course: found.with, name: names().with, color: "--linear-edge" },
          ]}
        />
      )}
    </figure>
  );
}

function Controls({ values, result, set }: Props) {
  return (
    <>
      {result.found && (
        <Slider
          label={word("moment")}
          range={RANGES.m}
          value={values.m}
          shown={result.without ? say(`step ${result.without.step}`, `第 ${result.without.step} 步`) : ""}
          onChange={(m) => set({ m })}
        />
      )}
      <Slider label={say("Steps", "步数")} range={RANGES.t} value={values.t} onChange={(t) => set({ t })} />
      <Stepper
        label={say("Inception blocks", "Inception 模块的个数")}
        less={say("One fewer", "减少一个")}
        more={say("One more", "增加一个")}
        range={RANGES.b}
        value={values.b}
        onChange={(b) => set({ b })}
      />
      <Slider
        label={say("Weight of each auxiliary loss", "每个辅助损失的权重")}
        range={RANGES.w}
        value={values.w}
        shown={values.w.toFixed(1)}
        kind="linear"
        onChange={(w) => set({ w })}
      />
      <Switch
        label={say("Batch normalization", "批归一化")}
        kind="norm"
        on={values.n === 1}
        onChange={(on) => set({ n: on ? 1 : 0 })}
      />
    </>
  );
}

const GUESS = Math.log(CLASSES);
/** Whether the main loss ended at least a twentieth lower with the auxiliary classifiers. */
const isBetter = (found: AuxiliaryResult) =>
  Number(lastLoss(found.with.loss)) < 0.95 * Number(lastLoss(found.without.loss));
const lastLoss = (loss: readonly number[]) => (smooth(loss).at(-1) ?? Number.NaN).toFixed(2);

function formula({ weight }: Result) {
  return (
    <p>
      L = L<sub>main</sub> + <b class="ink-linear">{weight.toFixed(1)} · L</b>
      <sub>aux1</sub> + <b class="ink-linear">{weight.toFixed(1)} · L</b>
      <sub>aux2</sub>
    </p>
  );
}

export const AUXILIARY = page({
  id: "auxiliary",
  source: "GoogLeNet, 2014",
  ranges: RANGES,
  question: ({ b, w, n, t }) => ({ kind: "auxiliary", weight: w, normalized: n === 1, blocks: b, steps: t }),
  compute,
  right: ({ found, ratio }) =>
    !found?.done || ratio === undefined ? undefined : ratio > 1.25 ? 0 : ratio < 0.8 ? 2 : 1,
  Figure,
  Controls,
  explore: () => ({ net: "googlenet", selected: "aux1" }),
  en: {
    title: "Auxiliary classifiers",
    claim: "Classifiers on middle layers feed gradient into the layers below, which a deep network starves.",
    question:
      "Two classifiers are added to a deep network for training. What becomes of the gradient of its first block?",
    choices: ["It gets larger", "It stays as it is, within a quarter", "It gets smaller"],
    task: "Both networks start from the same weights and see the same images. Change the depth, or switch batch normalization on, and run it again.",
    happened: ({ found, ratio, weight }) => (
      <>
        Over {found!.total} steps, the gradient of block 1 was <b class="ink-linear">{ratio!.toFixed(2)} times</b> as
        large with the auxiliary classifiers (the median). The loss of the main output ended at{" "}
        {lastLoss(found!.without.loss)} without them and {lastLoss(found!.with.loss)} with them; guessing has{" "}
        {GUESS.toFixed(2)}.{" "}
        {ratio! > 1.25 && !isBetter(found!) && (
          <b>More gradient, and yet no better after these steps: a larger gradient is not a better one.</b>
        )}
        {ratio! <= 1.25 && <b>With weight {weight.toFixed(1)}, the promised gradient did not arrive here.</b>}
      </>
    ),
    why: ({ normalized, heads, plain }) => (
      <>
        Going back, the gradient passes every block between the loss and the weights, and each changes its size. A
        classifier in the middle is a shorter way.{" "}
        {normalized
          ? "Batch normalization keeps the size already, so that there is less to repair. This is why later networks dropped auxiliary classifiers."
          : "Switch on batch normalization, which the paper did not have yet, and compare."}{" "}
        The two classifiers have {grouped(heads)} parameters beside {grouped(plain)}, and are left out after training.
      </>
    ),
    formula,
    where: () => (
      <>
        GoogLeNet has two, after blocks 4a and 4d, each with weight 0.3. Here they are an average pool and one linear
        layer, on {CLASSES} classes of generated shapes of {SIDE}×{SIDE} pixels. Inception-v3 kept one, and its authors
        found that it works as a regularizer.
      </>
    ),
    link: "The auxiliary classifiers of GoogLeNet",
  },
  zh: {
    title: "辅助分类器",
    claim: "中间层上的分类器把梯度送到下面的层；网络很深时，这些层得不到足够的梯度。",
    question: "训练时给一个深层网络加上两个分类器，第一个模块的梯度会怎样？",
    choices: ["变大", "基本不变（相差四分之一以内）", "变小"],
    task: "两个网络的初始权重相同，看到的图像也相同。改变深度，或打开批归一化，再运行一次。",
    happened: ({ found, ratio, weight }) => (
      <>
        在 {found!.total} 步中，加上辅助分类器后，模块 1 的梯度是原来的 <b class="ink-linear">{ratio!.toFixed(2)} 倍</b>
        （中位数）。主输出的损失最后为 {lastLoss(found!.without.loss)}（没有）和 {lastLoss(found!.with.loss)}
        （有）；随机猜测为 {GUESS.toFixed(2)}。
        {ratio! > 1.25 && !isBetter(found!) && <b>梯度更大，这些步之后却没有更好：更大的梯度不等于更好的梯度。</b>}
        {ratio! <= 1.25 && <b>权重为 {weight.toFixed(1)} 时，预期的梯度在这里并没有出现。</b>}
      </>
    ),
    why: ({ normalized, heads, plain }) => (
      <>
        梯度反向传播时要经过损失与权重之间的每个模块，每个模块都会改变它的大小。中间的分类器是一条更短的路。
        {normalized
          ? "批归一化已经保持了梯度的大小，需要补救的就少了。后来的网络因此不再使用辅助分类器。"
          : "打开论文当时还没有的批归一化，比较一下。"}
        两个分类器有 {grouped(heads)} 个参数，其余部分有 {grouped(plain)} 个；训练之后不再使用它们。
      </>
    ),
    formula,
    where: () => (
      <>
        GoogLeNet 在 4a 和 4d 之后各有一个，权重均为 0.3。这里的分类器是一个平均池化加一个全连接层，用于 {CLASSES}{" "}
        类生成的图形，大小为 {SIDE}×{SIDE} 像素。Inception-v3 保留了一个，其作者发现它起的是正则化的作用。
      </>
    ),
    link: "查看 GoogLeNet 的辅助分类器",
  },
});
