import { grouped } from "../../ui/format.ts";
import { Answer } from "../answer.tsx";
import { heads } from "../compute.ts";
import { Slider } from "../controls.tsx";
import { type ExperimentProps, page } from "../page.ts";
import { say } from "../words.ts";

const RANGES = {
  s: { start: 7, min: 1, max: 14 },
  m: { start: 192, min: 8, max: 512, step: 8 },
  k: { start: 10, min: 2, max: 1000 },
} as const;

type Result = ReturnType<typeof heads>;
type Props = ExperimentProps<typeof RANGES, Result>;

const ratio = ({ linear, conv }: Result) => (linear.params / conv.params).toFixed(1);

/** The weights of one class: a row for each map, a column for each position. */
function Figure({ result }: Props) {
  const { channels, side, classes, conv, linear } = result;
  const positions = side * side;
  const matrix = (columns: number, kind: string) => (
    <div
      class={`matrix kind-${kind}`}
      style={`--columns:${columns};--all:${positions};--rows:${channels}`}
      role="img"
      aria-label={say(
        `Weights of one class: ${channels} maps by ${columns} positions`,
        `一个类别的权重：${channels} 个特征图 × ${columns} 个位置`,
      )}
    />
  );
  return (
    <figure class="figure heads">
      <div>
        <p class="share-head">
          <span>{say("1×1 convolution, then the average of each map", "1×1 卷积，再对每个特征图取平均")}</span>
        </p>
        {matrix(1, "pointwise")}
        <p class="share-head">
          <span>
            {say(
              `${channels} weights for a class, the same at all ${positions} positions`,
              `每类 ${channels} 个权重，${positions} 个位置共用`,
            )}
          </span>
          <b class="big ink-pointwise">
            <Answer>{grouped(conv.params)}</Answer>
          </b>
        </p>
      </div>
      <div>
        <p class="share-head">
          <span>{say("Flatten, then a linear layer", "展平，再接全连接层")}</span>
        </p>
        {matrix(positions, "linear")}
        <p class="share-head">
          <span>
            {say(
              `${grouped(result.flat)} weights for a class, ${classes} classes`,
              `每类 ${grouped(result.flat)} 个权重，共 ${classes} 类`,
            )}
          </span>
          <b class="big ink-linear">
            <Answer>{grouped(linear.params)}</Answer>
          </b>
        </p>
      </div>
    </figure>
  );
}

function Controls({ values, set }: Props) {
  return (
    <>
      <Slider
        label={say("Side of the maps", "特征图边长")}
        range={RANGES.s}
        value={values.s}
        kind="linear"
        shown={`${values.s}×${values.s}`}
        onChange={(s) => set({ s })}
      />
      <Slider label={say("Maps", "特征图个数")} range={RANGES.m} value={values.m} onChange={(m) => set({ m })} />
      <Slider label={say("Classes", "类别数")} range={RANGES.k} value={values.k} onChange={(k) => set({ k })} />
    </>
  );
}

const formula = ({ channels, side, classes, conv, linear }: Result) => (
  <>
    <p>
      <b class="ink-pointwise">
        {channels} · {classes} + {classes}
      </b>{" "}
      = {grouped(conv.params)}
    </p>
    <p>
      <b class="ink-linear">
        {channels} · {side}² · {classes} + {classes}
      </b>{" "}
      = {grouped(linear.params)}
    </p>
  </>
);

export const AVERAGE = page({
  id: "average",
  source: "Network in Network, 2013",
  ranges: RANGES,
  compute: ({ s, m, k }) => heads(m, s, k),
  right: () => 2,
  Figure,
  Controls,
  explore: () => ({ net: "nin", selected: "block3.4" }),
  en: {
    title: "Average instead of linear layers",
    claim: "A network can classify without a linear layer: one map per class, and the average of a map is its score.",
    question:
      "NiN ends with 192 maps of 7×7 and 10 classes. How many times more weights would flatten and a linear layer have?",
    choices: ["About 7 times", "About 10 times", "About 49 times"],
    task: "Shrink the maps. At which size do both have the same number of weights?",
    happened: (result) =>
      result.side === 1 ? (
        <>
          With maps of 1×1 there is nothing to average: a 1×1 convolution and a linear layer are the same thing, with{" "}
          {grouped(result.conv.params)} parameters.
        </>
      ) : (
        <>
          The 1×1 convolution from {result.channels} to {result.classes} has{" "}
          <b class="ink-pointwise">{grouped(result.conv.params)}</b> parameters. The linear layer on the same maps has{" "}
          <b class="ink-linear">{grouped(result.linear.params)}</b>, {ratio(result)} times as many.
        </>
      ),
    why: ({ side }) => (
      <>
        A linear layer learns what each map means at each of the {side * side} positions apart. The average does not
        care where something was found, so one weight per map and class is enough. That is less to overfit with, and
        images of any size fit. What it cannot do is tell a dog on the left from a dog on the right.
      </>
    ),
    formula,
    where: () => (
      <>
        Network in Network has no linear layer at all. GoogLeNet and ResNet average first, and then have one small
        linear layer on the averages, which is the same number of weights.
      </>
    ),
    link: "The last block of NiN",
  },
  zh: {
    title: "用平均代替全连接层",
    claim: "不用全连接层也能分类：每个类别一个特征图，它的平均值就是得分。",
    question: "NiN 最后有 192 个 7×7 的特征图和 10 个类别。若改用展平加全连接层，权重是它的多少倍？",
    choices: ["约 7 倍", "约 10 倍", "约 49 倍"],
    task: "缩小特征图，看看边长为多少时两者的权重一样多。",
    happened: (result) =>
      result.side === 1 ? (
        <>特征图为 1×1 时无需平均：1×1 卷积与全连接层是同一回事，都有 {grouped(result.conv.params)} 个参数。</>
      ) : (
        <>
          从 {result.channels} 到 {result.classes} 的 1×1 卷积有{" "}
          <b class="ink-pointwise">{grouped(result.conv.params)}</b> 个参数；同样的特征图接全连接层则有{" "}
          <b class="ink-linear">{grouped(result.linear.params)}</b> 个，是前者的 {ratio(result)} 倍。
        </>
      ),
    why: ({ side }) => (
      <>
        全连接层为 {side * side}{" "}
        个位置分别学习每个特征图的含义。平均值不关心特征出现在哪里，因此每个特征图对每个类别只需一个权重。这样更不容易过拟合，任意大小的图像也都适用。代价是：它分不清左边的狗和右边的狗。
      </>
    ),
    formula,
    where: () => <>NiN 完全没有全连接层。GoogLeNet 与 ResNet 先取平均，再接一个小的全连接层，权重数量与此相同。</>,
    link: "查看 NiN 的最后一个模块",
  },
});
