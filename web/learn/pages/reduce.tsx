import { INCEPTION_WIDTHS, type InceptionWidths } from "convnets/models";
import { grouped } from "../../ui/format.ts";
import { Answer } from "../answer.tsx";
import { inceptionCosts } from "../compute.ts";
import { Slider } from "../controls.tsx";
import { Ribbons } from "../figures/Ribbons.tsx";
import { type ExperimentProps, page } from "../page.ts";
import { millions, say, share, word } from "../words.ts";

const [C1, R3, C3, R5, C5, P] = INCEPTION_WIDTHS["3a"];

const RANGES = {
  r: { start: R3, min: 4, max: 192, step: 4 },
  f: { start: R5, min: 2, max: 192, step: 2 },
} as const;

function compute(reduce3: number, reduce5: number) {
  const widths: InceptionWidths = [C1, reduce3, C3, reduce5, C5, P];
  return { reduce3, reduce5, naive: inceptionCosts(widths, "naive"), reduced: inceptionCosts(widths, "reduced") };
}

type Result = ReturnType<typeof compute>;
type Props = ExperimentProps<typeof RANGES, Result>;

function Figure({ result: { naive, reduced } }: Props) {
  return (
    <figure class="figure">
      <div class="pair">
        <Ribbons title={say("Naive", "原始")} costs={naive} />
        <Ribbons title={say("Reduced", "先降维")} costs={reduced} />
      </div>
      <table class="totals">
        <thead>
          <tr>
            <td />
            <th scope="col">{say("Naive", "原始")}</th>
            <th scope="col">{say("Reduced", "先降维")}</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <th scope="row">{say("Parameters", "参数量")}</th>
            <td>{grouped(naive.params)}</td>
            <td>
              <Answer>{grouped(reduced.params)}</Answer>
            </td>
          </tr>
          <tr>
            <th scope="row">{word("macs")}</th>
            <td>{millions(naive.macs)}</td>
            <td>
              <Answer>{millions(reduced.macs)}</Answer>
            </td>
          </tr>
          <tr>
            <th scope="row">{say("Output channels", "输出通道")}</th>
            <td>{naive.channels}</td>
            <td>{reduced.channels}</td>
          </tr>
        </tbody>
      </table>
    </figure>
  );
}

function Controls({ values, set }: Props) {
  return (
    <>
      <Slider
        label={say("Channels before the 3×3", "3×3 之前的通道数")}
        range={RANGES.r}
        value={values.r}
        kind="pointwise"
        onChange={(r) => set({ r })}
      />
      <Slider
        label={say("Channels before the 5×5", "5×5 之前的通道数")}
        range={RANGES.f}
        value={values.f}
        kind="pointwise"
        onChange={(f) => set({ f })}
      />
    </>
  );
}

function formula({ naive, reduced, reduce5 }: Result) {
  const [wide] = naive.branches[2]!.steps;
  return (
    <>
      <p>
        {wide!.from} · 5² · {wide!.to} = {grouped(naive.branches[2]!.weights)}
      </p>
      <p>
        <b class="ink-pointwise">
          {wide!.from} · 1² · {reduce5}
        </b>{" "}
        +{" "}
        <b class="ink-conv">
          {reduce5} · 5² · {wide!.to}
        </b>{" "}
        = {grouped(reduced.branches[2]!.weights)}
      </p>
    </>
  );
}

const branch5 = ({ naive, reduced }: Result) => [naive.branches[2]!.weights, reduced.branches[2]!.weights] as const;

export const REDUCE = page({
  id: "reduce-first",
  source: "GoogLeNet, 2014",
  ranges: RANGES,
  compute: ({ r, f }) => compute(r, f),
  right: () => 2,
  Figure,
  Controls,
  explore: () => ({ net: "googlenet", open: ["inception3a"], selected: "inception3a.branch3" }),
  en: {
    title: "Reduce first",
    claim: "One more layer makes a block cheaper: a 1×1 convolution that narrows what the large filters read.",
    question: "GoogLeNet puts a 1×1 convolution to 16 channels before a 5×5. What becomes of the branch's weights?",
    choices: ["A few more: it is one more layer", "About half are left", "About a tenth is left"],
    task: "Move the sliders until the reduction costs more than it saves. The ribbons are as wide as their channels.",
    happened: (result) => {
      const [before, after] = branch5(result);
      const { naive, reduced } = result;
      return (
        <>
          The 5×5 branch goes from {grouped(before)} weights to <b class="ink-pointwise">{grouped(after)}</b>,{" "}
          {share(after, before)}. The block goes from {grouped(naive.params)} parameters to {grouped(reduced.params)},
          from {millions(naive.macs)} MACs to {millions(reduced.macs)}, and from {naive.channels} output channels to{" "}
          {reduced.channels}.{" "}
          {after > before && (
            <b>With {result.reduce5} channels the detour costs more than it saves: the claim has limits.</b>
          )}
        </>
      );
    },
    why: ({ reduce5, naive }) => (
      <>
        A 5×5 pays 25 weights for every pair of channels that it connects, a 1×1 only one. So the{" "}
        {naive.branches[2]!.steps[0]!.from} channels are first mixed down to {reduce5} where it is cheap. The pool has
        no weights, but it keeps all its channels: without the 1×1 after it, each block would be wider than the one
        before.
      </>
    ),
    formula,
    where: ({ reduced }) => (
      <>
        All nine Inception blocks of GoogLeNet, this one is 3a. Its parameters include {grouped(reduced.norms)} of batch
        normalization. ResNet-50's bottleneck does the same: 1×1 down, 3×3, 1×1 up.
      </>
    ),
    link: "Block 3a of GoogLeNet",
  },
  zh: {
    title: "先降维",
    claim: "多加一层反而更省：用 1×1 卷积先减少大卷积核要读取的通道。",
    question: "GoogLeNet 在 5×5 之前加了一个输出 16 通道的 1×1 卷积。这一分支的权重会怎样？",
    choices: ["略有增加：毕竟多了一层", "剩下约一半", "剩下约十分之一"],
    task: "移动滑块，直到降维得不偿失。带子的宽度就是通道数。",
    happened: (result) => {
      const [before, after] = branch5(result);
      const { naive, reduced } = result;
      return (
        <>
          5×5 分支的权重从 {grouped(before)} 变为 <b class="ink-pointwise">{grouped(after)}</b>，即{" "}
          {share(after, before)}
          。整个模块的参数从 {grouped(naive.params)} 变为 {grouped(reduced.params)}，乘加次数从 {millions(naive.macs)}{" "}
          变为 {millions(reduced.macs)}，输出通道从 {naive.channels} 变为 {reduced.channels}。
          {after > before && <b>通道数为 {result.reduce5} 时，绕路的代价超过了节省：这一论断有其界限。</b>}
        </>
      );
    },
    why: ({ reduce5, naive }) => (
      <>
        5×5 卷积每连接一对通道要用 25 个权重，1×1 只要一个。所以先在便宜的地方把 {naive.branches[2]!.steps[0]!.from}{" "}
        个通道混合成 {reduce5} 个。池化没有权重，却保留所有通道：若其后没有 1×1，模块会一个比一个更宽。
      </>
    ),
    formula,
    where: ({ reduced }) => (
      <>
        GoogLeNet 的九个 Inception 模块都是如此，这里是 3a；参数中有 {grouped(reduced.norms)} 个属于批归一化。ResNet-50
        的瓶颈结构也一样：1×1 降维、3×3、1×1 升维。
      </>
    ),
    link: "查看 GoogLeNet 的 3a 模块",
  },
});
