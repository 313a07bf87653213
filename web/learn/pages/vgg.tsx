import { grouped, short } from "../../ui/format.ts";
import { Answer } from "../answer.tsx";
import { vggCosts } from "../compute.ts";
import { Slider } from "../controls.tsx";
import { type ExperimentProps, page } from "../page.ts";
import { say, share, word } from "../words.ts";

const RANGES = {
  s: { start: 224, min: 32, max: 448, step: 32 },
  w: { start: 4096, min: 64, max: 8192, step: 64 },
} as const;

type Result = ReturnType<typeof vggCosts>;
type Props = ExperimentProps<typeof RANGES, Result>;

interface BarProps {
  readonly result: Result;
  readonly of: "params" | "macs";
  readonly label: string;
  readonly revealed: boolean;
}

/** All layers in a line, as wide as their share. */
function Bar({ result, of, label, revealed }: BarProps) {
  const { conv, linear, layers } = result;
  const whole = result[of];
  return (
    <div class="share">
      <p class="share-head">
        <span>{label}</span>
        <b>{grouped(whole)}</b>
      </p>
      <div
        class="share-bar"
        role="img"
        aria-label={
          !revealed
            ? label
            : say(
                `${label}: convolutions ${share(conv[of], whole)}, linear layers ${share(linear[of], whole)}`,
                `${label}：卷积 ${share(conv[of], whole)}，全连接 ${share(linear[of], whole)}`,
              )
        }
      >
        {layers.map((layer, i) => (
          <i
            key={i}
            class={`kind-${layer.kind}`}
            style={`flex-grow:${revealed ? layer[of] / whole : 1}`}
            title={
              !revealed
                ? undefined
                : `${layer.kind === "conv" ? "conv 3×3" : "linear"} ${layer.inputs} → ${layer.outputs}: ${grouped(layer[of])}`
            }
          />
        ))}
      </div>
      <p class="share-foot">
        <span class="ink-conv">
          {say("13 convolutions", "13 个卷积层")} <Answer>{grouped(conv[of])}</Answer>{" "}
          <b>
            <Answer>{share(conv[of], whole)}</Answer>
          </b>
        </span>
        <span class="ink-linear">
          {say("3 linear layers", "3 个全连接层")} <Answer>{grouped(linear[of])}</Answer>{" "}
          <b>
            <Answer>{share(linear[of], whole)}</Answer>
          </b>
        </span>
      </p>
    </div>
  );
}

/** Each layer as a square with as much area as it has parameters. */
function Areas({ result }: { readonly result: Result }) {
  const sides = result.layers.map(({ params }) => Math.sqrt(params));
  const together = sides.reduce((all, side) => all + side, 0);
  return (
    <div class="areas" role="img" aria-label={say("Parameters of each layer as areas", "各层参数量的面积图")}>
      {result.layers.map(({ kind, inputs, outputs, params }, i) => (
        <i
          key={i}
          class={`kind-${kind}`}
          style={`--part:${sides[i]! / together}`}
          title={`${inputs} → ${outputs}: ${grouped(params)}`}
        />
      ))}
    </div>
  );
}

function Figure({ result, revealed }: Props) {
  return (
    <figure class="figure">
      {revealed && <Areas result={result} />}
      <Bar result={result} revealed={revealed} of="params" label={say("Parameters", "参数量")} />
      <Bar result={result} revealed={revealed} of="macs" label={word("macs")} />
    </figure>
  );
}

function Controls({ values, set }: Props) {
  return (
    <>
      <Slider
        label={say("Side of the images", "图像边长")}
        range={RANGES.s}
        value={values.s}
        shown={`${values.s} px`}
        onChange={(s) => set({ s })}
      />
      <Slider
        label={say("Units of the first linear layer", "第一个全连接层的宽度")}
        range={RANGES.w}
        value={values.w}
        shown={grouped(values.w)}
        kind="linear"
        onChange={(w) => set({ w })}
      />
    </>
  );
}

function formula({ layers, params, linear }: Result) {
  const dense = layers.filter(({ kind }) => kind === "linear");
  const last = layers.findLast(({ kind }) => kind === "conv")!;
  const [first] = dense;
  const side = Math.sqrt(first!.inputs / last.outputs);
  return (
    <>
      <p>
        <b class="ink-linear">
          {last.outputs} · {side}² · {grouped(first!.outputs)} + {grouped(first!.outputs)}
        </b>{" "}
        = {grouped(first!.params)}
      </p>
      <p>
        {dense.map((layer) => grouped(layer.params)).join(" + ")} = {share(linear.params, params)}
        {say(" of ", "，总数 ")}
        {grouped(params)}
      </p>
    </>
  );
}

export const VGG = page({
  id: "vgg-weights",
  source: "VGG, 2014",
  ranges: RANGES,
  compute: ({ s, w }) => vggCosts(s, w),
  right: () => 1,
  Figure,
  Controls,
  explore: ({ s }) => ({ net: "vgg16", dock: "costs", color: "params", ...(s !== RANGES.s.start && { side: s }) }),
  en: {
    title: "Where VGG16's weights are",
    claim: "Nine tenths of VGG16's weights are in its last three layers, and nearly all of the work is in the others.",
    question: "VGG16 has 13 convolutions and 3 linear layers. Where are most of its weights?",
    choices: ["In the 13 convolutions", "In the 3 linear layers", "Spread evenly"],
    task: "Change the size of the images and the width of the first linear layer. Which of the bars moves?",
    happened: ({ params, macs, conv, linear, side, width }) => (
      <>
        With images of {side}×{side} and {grouped(width)} units, VGG16 has {grouped(params)} parameters.{" "}
        <b class="ink-linear">{share(linear.params, params)}</b> are in the linear layers,{" "}
        <b class="ink-conv">{share(conv.params, params)}</b> in the convolutions. These do {share(conv.macs, macs)} of
        the MACs.
      </>
    ),
    why: ({ layers, side }) => (
      <>
        A convolution's weights are shared by all positions: its size does not depend on the image, but its work does.
        The first of them has {short(layers[0]!.params)} weights and uses each {grouped(side * side)} times. A linear
        layer uses each weight once, and needs one for every number of the last maps. So larger images give more weights
        to the linear layers, and more work to the convolutions.
      </>
    ),
    formula,
    where: () => (
      <>
        AlexNet has the same proportions. Network in Network and GoogLeNet replaced the linear layers by an average, and
        hardly any network has had them since.
      </>
    ),
    link: "VGG16 with its costs",
  },
  zh: {
    title: "VGG16 的权重在哪里",
    claim: "VGG16 九成的权重在最后三层，而几乎全部计算都在其余各层。",
    question: "VGG16 有 13 个卷积层和 3 个全连接层。大部分权重在哪里？",
    choices: ["在 13 个卷积层", "在 3 个全连接层", "平均分布"],
    task: "改变图像大小和第一个全连接层的宽度，看看哪条会变化。",
    happened: ({ params, macs, conv, linear, side, width }) => (
      <>
        图像为 {side}×{side}、宽度为 {grouped(width)} 时，VGG16 有 {grouped(params)} 个参数，其中{" "}
        <b class="ink-linear">{share(linear.params, params)}</b> 在全连接层，
        <b class="ink-conv">{share(conv.params, params)}</b> 在卷积层；而卷积层承担了 {share(conv.macs, macs)}{" "}
        的乘加运算。
      </>
    ),
    why: ({ layers, side }) => (
      <>
        卷积的权重由所有位置共享：参数量与图像大小无关，计算量却有关。第一个卷积只有 {short(layers[0]!.params)}{" "}
        个参数，每个使用 {grouped(side * side)}{" "}
        次。全连接层的每个权重只使用一次，而且最后特征图中的每个数都需要一个权重。因此图像越大，全连接层的权重越多，卷积层的计算越多。
      </>
    ),
    formula,
    where: () => <>AlexNet 也是这样的比例。NiN 与 GoogLeNet 用平均池化代替了全连接层，此后的网络很少再使用它们。</>,
    link: "查看 VGG16 的开销",
  },
});
