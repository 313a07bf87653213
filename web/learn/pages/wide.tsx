import { INCEPTION_WIDTHS, inceptionChannels } from "convnets/models";
import { grouped } from "../../ui/format.ts";
import { Answer } from "../answer.tsx";
import { wideBlock } from "../compute.ts";
import { Switch } from "../controls.tsx";
import { Ribbons } from "../figures/Ribbons.tsx";
import { type ExperimentProps, page } from "../page.ts";
import { millions, say, share, word } from "../words.ts";

const ON = { start: 1, min: 0, max: 1 } as const;
const RANGES = { a: ON, b: ON, c: ON, d: ON } as const;
const KEYS = ["a", "b", "c", "d"] as const;

type Result = ReturnType<typeof wideBlock>;
type Props = ExperimentProps<typeof RANGES, Result>;

const kindOf = ({ costs }: Result, i: number) => costs.branches[i]!.steps.at(-1)!.kind;
const chosen = ({ costs, on }: Result) => costs.branches.filter((_, i) => on[i]);

function Figure({ result }: Props) {
  const { costs, on, channels } = result;
  const off = costs.branches.filter((_, i) => !on[i]).map(({ name }) => name);
  const branches = chosen(result);
  return (
    <figure class="figure wide">
      <Ribbons title={say("Four branches over the same input", "同一输入上的四个分支")} costs={costs} off={off} />
      <div>
        <p class="share-head">
          <span>{say("Concatenated", "拼接")}</span>
          <b>
            <Answer>{channels}</Answer> {word("channels")}
          </b>
        </p>
        <div class="share-bar" role="img" aria-label={say("Output channels of the branches", "各分支的输出通道")}>
          {costs.branches.map(
            (branch, i) =>
              on[i] && (
                <i key={branch.name} class={`kind-${kindOf(result, i)}`} style={`flex-grow:${branch.channels}`}>
                  {branch.channels}
                </i>
              ),
          )}
          <i class="rest" style={`flex-grow:${costs.channels - channels}`} />
        </div>
        <p class="share-foot">
          <span>
            {grouped(result.params)} {word("params")} · {millions(result.macs)} {word("macs")}
          </span>
          <span>
            {say("fields", "感受野")} {branches.map(({ field }) => `${field}×${field}`).join(", ")}
          </span>
        </p>
      </div>
    </figure>
  );
}

const NAMES = () => ["1×1", "1×1, 3×3", "1×1, 5×5", say("pool, 1×1", "池化、1×1")];

function Controls({ values, result, set }: Props) {
  const names = NAMES();
  return (
    <div class="switches">
      {KEYS.map((key, i) => (
        <Switch
          key={key}
          label={names[i]!}
          kind={i === 3 ? "pool" : kindOf(result, i)}
          on={values[key] === 1}
          onChange={(on) => set({ [key]: on ? 1 : 0 })}
        />
      ))}
    </div>
  );
}

/** Share of the 3×3 and 5×5 branches in the channels of a block. */
function largeShare(block: keyof typeof INCEPTION_WIDTHS): string {
  const widths = INCEPTION_WIDTHS[block];
  return share(widths[2] + widths[4], inceptionChannels(widths));
}

const sumOf = (result: Result) =>
  chosen(result)
    .map(({ channels }) => channels)
    .join(" + ") || "0";

const formula = (result: Result) => (
  <p>
    {sumOf(result)} = <b>{result.channels}</b> {word("channels")}
  </p>
);

export const WIDE = page({
  id: "wide",
  source: "GoogLeNet, 2014",
  ranges: RANGES,
  compute: (values) =>
    wideBlock(
      INCEPTION_WIDTHS["3a"],
      KEYS.map((key) => values[key] === 1),
    ),
  right: () => 1,
  Figure,
  Controls,
  explore: () => ({ net: "googlenet", open: ["inception3a"], selected: "inception3a" }),
  en: {
    title: "Wide, not deep: Inception",
    claim: "No need to choose a kernel size: a block can take all of them side by side and let training decide.",
    question: "Four branches give 64, 128, 32 and 32 channels for the same input. How many does the block give?",
    choices: ["128, those of the widest", "256, all of them", "64, the average"],
    task: "Switch branches off. What do channels, parameters and MACs lose?",
    happened: (result) =>
      result.channels === 0 ? (
        <>Without any branch there is no block. Switch one on.</>
      ) : (
        <>
          {sumOf(result)} = <b>{result.channels}</b> channels come out, for {grouped(result.params)} parameters and{" "}
          {millions(result.macs)} MACs. A pixel of the output sees{" "}
          {chosen(result)
            .map(({ field }) => `${field}×${field}`)
            .join(", ")}{" "}
          pixels of the block's input, depending on the branch.
        </>
      ),
    why: ({ costs }) => (
      <>
        All branches keep the height and width, so their maps can be laid on top of each other. Each channel looks at
        its own scale, and the next block's 1×1 convolutions mix them. The branches do not cost the same: the 3×3 takes{" "}
        {millions(costs.branches[1]!.macs)} MACs, the pool's {millions(costs.branches[3]!.macs)}. They do not wait for
        each other either; the block is only as deep as its longest branch.
      </>
    ),
    formula,
    where: () => (
      <>
        GoogLeNet stacks {Object.keys(INCEPTION_WIDTHS).length} of these blocks. Its paper wants the 3×3 and 5×5
        branches to gain share further back. They have {largeShare("3a")} of the channels in 3a, {largeShare("4d")} in
        4d, and {largeShare("5b")} in 5b: the rule holds only halfway.
      </>
    ),
    link: "Block 3a of GoogLeNet",
  },
  zh: {
    title: "宽而不深：Inception",
    claim: "不必选择卷积核的大小：一个模块可以并排使用所有大小，由训练来决定。",
    question: "四个分支对同一输入分别输出 64、128、32、32 个通道。整个模块输出多少？",
    choices: ["128，取最宽的", "256，全部相加", "64，取平均"],
    task: "关闭一些分支，看看通道、参数与乘加次数减少多少。",
    happened: (result) =>
      result.channels === 0 ? (
        <>没有分支就没有模块，请打开一个。</>
      ) : (
        <>
          输出 {sumOf(result)} = <b>{result.channels}</b> 个通道，有 {grouped(result.params)} 个参数，
          {millions(result.macs)} 次乘加。输出的一个像素按分支不同，看到模块输入的{" "}
          {chosen(result)
            .map(({ field }) => `${field}×${field}`)
            .join("、")}{" "}
          个像素。
        </>
      ),
    why: ({ costs }) => (
      <>
        所有分支都保持高与宽，因此它们的特征图可以叠在一起。每个通道有自己的尺度，由下一模块的 1×1
        卷积混合。各分支的代价并不相同：3×3 分支需要 {millions(costs.branches[1]!.macs)} 次乘加，池化分支需要{" "}
        {millions(costs.branches[3]!.macs)} 次。它们也不必互相等待：模块的深度只取决于最长的分支。
      </>
    ),
    formula,
    where: () => (
      <>
        GoogLeNet 堆叠了 {Object.keys(INCEPTION_WIDTHS).length} 个这样的模块。论文主张越靠后，3×3 与 5×5
        分支的占比应越大。实际上它们的通道占比在 3a 中为 {largeShare("3a")}，4d 中为 {largeShare("4d")}，5b 中为{" "}
        {largeShare("5b")}：这条规则只成立了一半。
      </>
    ),
    link: "查看 GoogLeNet 的 3a 模块",
  },
});
