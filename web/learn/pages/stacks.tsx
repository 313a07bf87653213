import { grouped } from "../../ui/format.ts";
import { Answer } from "../answer.tsx";
import { STACK_SIDE, stacks } from "../compute.ts";
import { Slider, Stepper } from "../controls.tsx";
import { type ExperimentProps, page } from "../page.ts";
import { say, share } from "../words.ts";

const RANGES = {
  n: { start: 2, min: 1, max: 5 },
  c: { start: 64, min: 8, max: 512, step: 8 },
} as const;

type Result = ReturnType<typeof stacks>;
type Props = ExperimentProps<typeof RANGES, Result>;

const square = (side: number) => `${side}×${side}`;
/** Weights by the square of the channels. */
const perSquare = (params: number, channels: number) => params / channels ** 2;

/** The stack from the side: what one pixel at the top sees in each layer below it. */
function Pyramid({ result }: { readonly result: Result }) {
  const { fields, small } = result;
  const across = small.field + 2;
  const cell = 100 / 13;
  const seen = [1, ...fields];
  const height = 12;
  return (
    <svg
      class="pyramid"
      viewBox={`0 0 100 ${height * (seen.length - 1) + cell + 1}`}
      role="img"
      aria-label={say(
        `One pixel at the top sees ${fields.join(", then ")} pixels across`,
        `顶部的一个像素依次看到宽 ${fields.join("、")} 像素`,
      )}
    >
      {seen.slice(1).map((width, i) => {
        const [top, bottom] = [i * height + cell, (i + 1) * height];
        const above = (seen[i]! * cell) / 2;
        const below = (width * cell) / 2;
        return (
          <path
            key={width}
            class="pyramid-beam"
            d={`M${50 - above},${top}L${50 + above},${top}L${50 + below},${bottom}L${50 - below},${bottom}Z`}
          />
        );
      })}
      {seen.map((width, row) =>
        Array.from({ length: across }, (_, i) => {
          const offset = i - (across - 1) / 2;
          return (
            <rect
              key={offset}
              class={`cell${Math.abs(offset) * 2 < width ? " is-seen" : ""}`}
              x={50 + (offset - 0.5) * cell + 0.5}
              y={row * height + 0.5}
              width={cell - 1}
              height={cell - 1}
              rx="1.2"
            />
          );
        }),
      )}
    </svg>
  );
}

function Kernel({ side, kind }: { readonly side: number; readonly kind: string }) {
  return (
    <span class={`kernel kind-${kind}`} style={`--side:${side}`} aria-hidden="true">
      {Array.from({ length: side * side }, (_, i) => (
        <i key={i} />
      ))}
    </span>
  );
}

function Figure({ result }: Props) {
  const { count, channels, small, large } = result;
  return (
    <figure class="figure">
      <Pyramid result={result} />
      <div class="versus">
        <div class="side-conv">
          <div class="kernels">
            {Array.from({ length: count }, (_, i) => (
              <Kernel key={i} side={3} kind="conv" />
            ))}
          </div>
          <p class="big">
            <Answer>
              {perSquare(small.params, channels)}
              <small> C²</small>
            </Answer>
          </p>
          <p>
            {count} × 3×3 · <Answer>{grouped(small.params)}</Answer> {say("weights", "个权重")}
          </p>
        </div>
        <div class="side-other">
          <div class="kernels">
            <Kernel side={large.field} kind="dropout" />
          </div>
          <p class="big">
            <Answer>
              {perSquare(large.params, channels)}
              <small> C²</small>
            </Answer>
          </p>
          <p>
            1 × {square(large.field)} · <Answer>{grouped(large.params)}</Answer> {say("weights", "个权重")}
          </p>
        </div>
      </div>
    </figure>
  );
}

function Controls({ values, set }: Props) {
  return (
    <>
      <Stepper
        label={say("3×3 convolutions", "3×3 卷积的个数")}
        less={say("One fewer", "减少一个")}
        more={say("One more", "增加一个")}
        range={RANGES.n}
        value={values.n}
        onChange={(n) => set({ n })}
      />
      <Slider label={say("Channels, C", "通道数 C")} range={RANGES.c} value={values.c} onChange={(c) => set({ c })} />
    </>
  );
}

const formula = ({ count, channels, small, large }: Result) => (
  <>
    <p>
      <b class="ink-conv">
        {count} · 3² · C² = {perSquare(small.params, channels)} C²
      </b>{" "}
      = {count} · 9 · {channels}² = {grouped(small.params)}
    </p>
    <p>
      {large.field}² · C² = {perSquare(large.params, channels)} C² = {large.field ** 2} · {channels}² ={" "}
      {grouped(large.params)}
    </p>
  </>
);

export const STACKS = page({
  id: "small-filters",
  source: "VGG, 2014",
  ranges: RANGES,
  compute: ({ n, c }) => stacks(n, c),
  right: () => 2,
  Figure,
  Controls,
  explore: () => ({ net: "vgg16", selected: "feature_part.10" }),
  en: {
    title: "Small filters, stacked",
    claim: "A stack of 3×3 convolutions sees as much as one large filter, with fewer weights.",
    question: "Two 3×3 convolutions see 5×5 pixels. Compared with one 5×5 convolution, how many weights do they have?",
    choices: ["More: there are two of them", "Exactly as many", "Fewer"],
    task: "Add and remove 3×3s. The large filter grows along, so that both see the same.",
    happened: ({ count, small, large }) =>
      count === 1 ? (
        <>One 3×3 is one 3×3: there is nothing to save. Add another one.</>
      ) : (
        <>
          {count} stacked 3×3 see {square(small.field)} pixels with <b class="ink-conv">{grouped(small.params)}</b>{" "}
          weights. One {square(large.field)} needs {grouped(large.params)}. The stack has{" "}
          {share(small.params, large.params)} of them, and takes the same share of the MACs.
        </>
      ),
    why: ({ count, small, large }) => (
      <>
        Each further 3×3 adds one ring of pixels to the field, and always 9 C² weights. A single filter pays for its
        whole area. The stack also has {count} ReLUs where the large filter has one. It is not free, though: on maps of{" "}
        {STACK_SIDE}×{STACK_SIDE}, it keeps {grouped(small.bytes)} bytes of outputs instead of {grouped(large.bytes)},
        and it can only express filters that are a chain of small ones.
      </>
    ),
    formula,
    where: () => (
      <>
        VGG16 has no other convolutions than these. In its third block, three of them see 7×7 of the block's input. The
        blocks of ResNet-18 are pairs of them.
      </>
    ),
    link: "The third block of VGG16",
  },
  zh: {
    title: "小卷积核的堆叠",
    claim: "堆叠的 3×3 卷积与一个大卷积核看到的一样多，权重却更少。",
    question: "两个 3×3 卷积能看到 5×5 个像素。与一个 5×5 卷积相比，权重有多少？",
    choices: ["更多：毕竟有两个", "一样多", "更少"],
    task: "增减 3×3 卷积的个数。大卷积核随之变化，使两者的感受野始终相同。",
    happened: ({ count, small, large }) =>
      count === 1 ? (
        <>只有一个 3×3 时两者相同，没有节省。请再加一个。</>
      ) : (
        <>
          {count} 个 3×3 看到 {square(small.field)} 个像素，有 <b class="ink-conv">{grouped(small.params)}</b>{" "}
          个权重；一个 {square(large.field)} 需要 {grouped(large.params)} 个。堆叠只用了其中的{" "}
          {share(small.params, large.params)}，乘加次数也是同样的比例。
        </>
      ),
    why: ({ count, small, large }) => (
      <>
        每多一个 3×3，感受野向外扩大一圈像素，权重总是增加 9 C²；而单个大卷积核要为整个面积付出权重。堆叠还有 {count} 个
        ReLU，大卷积核只有一个。但这并非没有代价：特征图为 {STACK_SIDE}×{STACK_SIDE} 时，它要保存 {grouped(small.bytes)}{" "}
        字节的输出，而不是 {grouped(large.bytes)} 字节；并且只能表示由小卷积核串成的滤波器。
      </>
    ),
    formula,
    where: () => (
      <>VGG16 只用这一种卷积。在它的第三个模块中，三个 3×3 看到模块输入的 7×7。ResNet-18 的模块由成对的 3×3 构成。</>
    ),
    link: "查看 VGG16 的第三个模块",
  },
});
