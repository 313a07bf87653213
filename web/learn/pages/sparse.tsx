import { INCEPTION_WIDTHS } from "convnets/models";
import { grouped, short } from "../../ui/format.ts";
import { Answer } from "../answer.tsx";
import { INCEPTION_INPUT, inceptionCosts } from "../compute.ts";
import { Presets } from "../controls.tsx";
import type { LabResult, Timing } from "../lab/protocol.ts";
import { CHANNELS, SIDE } from "../lab/sparse.ts";
import { type ExperimentProps, page } from "../page.ts";
import type { Values } from "../settings.ts";
import { say, share, word } from "../words.ts";

const RANGES = { k: { start: 3, min: 1, max: 5 } } as const;

/** The whole window of the block: that of its widest branch. */
function blockOf() {
  const costs = inceptionCosts(INCEPTION_WIDTHS["3a"], "reduced");
  const side = Math.max(...costs.branches.map(({ field }) => field));
  const [inputs] = INCEPTION_INPUT;
  const all = inputs * side * side * costs.channels;
  const kept = costs.branches.reduce((sum, { channels, field }) => sum + channels * inputs * field * field, 0);
  const weights = costs.branches.reduce((sum, branch) => sum + branch.weights, 0);
  return { branches: costs.branches, channels: costs.channels, side, inputs, all, kept, weights };
}

function compute({ k }: Values<typeof RANGES>, measured?: LabResult) {
  const parts = 2 ** k;
  const found = measured?.kind === "sparse" ? measured : undefined;
  const of = (name: Timing["name"]) => found?.timings.find((one) => one.name === name);
  const scattered = ["zeros", "gathered", "loop"]
    .flatMap((name) => of(name as Timing["name"]) ?? [])
    .sort((a, b) => a.ms - b.ms);
  return { parts, found, block: blockOf(), dense: of("dense"), blocks: of("blocks"), best: scattered[0] };
}

type Result = ReturnType<typeof compute>;
type Props = ExperimentProps<typeof RANGES, Result>;

/** Which outputs of the block are joined to which places of the window: a row for each output, a column for each place. */
function Matrix({ block }: { readonly block: Result["block"] }) {
  const { branches, side, channels } = block;
  const places = Array.from({ length: side * side }, (_, i) => [
    (i % side) - (side - 1) / 2,
    Math.floor(i / side) - (side - 1) / 2,
  ]);
  let top = 0;
  return (
    <svg
      class="connections"
      viewBox={`0 0 ${places.length} ${channels / 16}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={say(
        `${channels} outputs by ${places.length} places of ${block.inputs} inputs: ${share(block.kept, block.all)} are joined`,
        `${channels} 个输出 × ${places.length} 个位置（每处 ${block.inputs} 个输入）：连接了 ${share(block.kept, block.all)}`,
      )}
    >
      {branches.map(({ name, field, channels: count, steps }) => {
        const y = top / 16;
        top += count;
        const reach = (field - 1) / 2;
        const kind = steps.some(({ kind }) => kind === "pool") ? "pool" : field === 1 ? "pointwise" : "conv";
        return (
          <g key={name} class={`kind-${kind}`}>
            {places.map(([dx, dy], x) => {
              const isJoined = Math.abs(dx!) <= reach && Math.abs(dy!) <= reach;
              return (
                <rect
                  key={x}
                  class={isJoined ? "is-joined" : "is-free"}
                  x={x + 0.06}
                  y={y + 0.06}
                  width={0.88}
                  height={count / 16 - 0.12}
                />
              );
            })}
          </g>
        );
      })}
    </svg>
  );
}

const WAYS: readonly Timing["name"][] = ["dense", "zeros", "blocks", "gathered", "loop"];

const wayNames = (parts: number): Record<Timing["name"], string> => ({
  dense: say("all connections, one matrix", "全部连接，一个矩阵"),
  zeros: say(`1 in ${parts}, the others 0 in the same matrix`, `${parts} 取 1，其余在同一矩阵中为 0`),
  blocks: say(`1 in ${parts}, as ${parts} small dense matrices`, `${parts} 取 1，组成 ${parts} 个小的稠密矩阵`),
  gathered: say(`1 in ${parts}, scattered: gathered, then multiplied`, `${parts} 取 1，散布：先收集再相乘`),
  loop: say(`1 in ${parts}, scattered: one by one, in JavaScript`, `${parts} 取 1，散布：用 JavaScript 逐个计算`),
});

const KINDS: Record<Timing["name"], string> = {
  ...{ dense: "conv", zeros: "dropout", blocks: "conv", gathered: "dropout", loop: "dropout" },
};

const perMac = ({ ms, macs }: Timing) => `${((ms * 1e6) / macs).toPrecision(2)} ns`;
const milliseconds = (ms: number) => `${ms.toPrecision(3)} ms`;

function Figure({ result, revealed }: Props) {
  const { block, parts, found } = result;
  const timings = revealed ? (found?.timings ?? []) : [];
  // one slow way should not squeeze the others
  const slowest = Math.max(...timings.map(({ ms }) => ms), 1e-9);
  const names = wayNames(parts);
  return (
    <figure class="figure">
      <div>
        <p class="share-head">
          <span>
            {say(
              `Block 3a as a matrix: ${block.channels} outputs down, ${block.side}×${block.side} places across`,
              `把 3a 模块看作矩阵：纵向 ${block.channels} 个输出，横向 ${block.side}×${block.side} 个位置`,
            )}
          </span>
        </p>
        <Matrix block={block} />
        <p class="share-foot">
          <span>
            {say("joined", "已连接")} {share(block.kept, block.all)}
            {say(" of ", "，共 ")}
            {short(block.all)}
          </span>
          <span>
            {say("weights that learn it", "所用的权重")} {grouped(block.weights)}, {share(block.weights, block.all)}
          </span>
        </p>
      </div>
      <div class="timings">
        <p class="share-head">
          <span>
            {say(
              `One layer of ${CHANNELS} to ${CHANNELS} channels on ${SIDE}×${SIDE} pixels, timed on your machine`,
              `一层：${CHANNELS} 到 ${CHANNELS} 通道，${SIDE}×${SIDE} 像素，在你的机器上计时`,
            )}
          </span>
        </p>
        <ol>
          {WAYS.map((name) => {
            const timing = timings.find((one) => one.name === name);
            return (
              <li key={name} class={`kind-${KINDS[name]}`}>
                <span>{names[name]}</span>
                <span class="timing-bar">
                  <i style={`--part:${timing ? Math.max(0.004, timing.ms / slowest) : 0}`} />
                </span>
                <b>{timing ? milliseconds(timing.ms) : <Answer>–</Answer>}</b>
                <small>{timing ? `${perMac(timing)} / MAC` : ""}</small>
              </li>
            );
          })}
        </ol>
      </div>
    </figure>
  );
}

function Controls({ values, set }: Props) {
  const presets = [1, 2, 3, 4, 5].map((k) => ({
    name: say(`1 in ${2 ** k}`, `${2 ** k} 取 1`),
    on: values.k === k,
    apply: () => set({ k }),
  }));
  return <Presets label={say("Connections kept", "保留的连接")} presets={presets} />;
}

function formula({ dense, blocks, best }: Result) {
  return (
    <>
      <p>
        {say("dense", "稠密")} {milliseconds(dense!.ms)} / {short(dense!.macs)} {word("macs")} = {perMac(dense!)}
      </p>
      <p>
        {say("scattered", "散布")} {milliseconds(best!.ms)} / {short(best!.macs)} {word("macs")} = {perMac(best!)}
      </p>
      <p>
        <b class="ink-conv">
          {say("small dense", "小的稠密矩阵")} {milliseconds(blocks!.ms)} / {short(blocks!.macs)} {word("macs")} ={" "}
          {perMac(blocks!)}
        </b>
      </p>
    </>
  );
}

const times = (ratio: number) => ratio.toPrecision(2);
const shortest = ({ best, dense, blocks, parts }: Result) => ({
  scattered: dense!.ms / best!.ms,
  blocks: dense!.ms / blocks!.ms,
  isAsPromised: dense!.ms / best!.ms > 0.6 * parts,
});

export const SPARSE = page({
  id: "sparse-dense",
  source: "GoogLeNet, 2014",
  ranges: RANGES,
  question: ({ k }) => ({ kind: "sparse", parts: 2 ** k }),
  compute,
  right: ({ found, best, dense, parts }) => {
    if (!found?.done || !best || !dense) return undefined;
    const gain = dense.ms / best.ms;
    return gain > 0.6 * parts ? 0 : gain > 1.25 ? 1 : 2;
  },
  Figure,
  Controls,
  explore: () => ({ net: "googlenet", open: ["inception3a"], selected: "inception3a" }),
  en: {
    title: "Sparse structure, dense computation",
    claim:
      "Processors do not reward missing connections. Inception leaves out most of them, and computes the rest as dense pieces.",
    question: "Of a layer's connections only 1 in 8 is kept, scattered at random. How much faster is it computed?",
    choices: [
      "About as many times as connections are missing",
      "Faster, but far from that",
      "Not at all, or it gets slower",
    ],
    task: "Keep fewer connections and run it again. Is there a share at which scattered ones pay?",
    happened: (result) => {
      const { scattered, blocks, isAsPromised } = shortest(result);
      return (
        <>
          With 1 in {result.parts} connections, scattered, the best way took {milliseconds(result.best!.ms)} instead of{" "}
          {milliseconds(result.dense!.ms)}: {times(scattered)} times as fast, with {result.parts} times fewer
          multiplications. As many connections in small dense matrices were{" "}
          <b class="ink-conv">{times(blocks)} times</b> as fast as all of them.{" "}
          {isAsPromised && <b>On this machine, scattered connections did pay: the claim fails here.</b>}
          {blocks < scattered && <b> The dense pieces were slower than the scattered ones, against the claim.</b>}
        </>
      );
    },
    why: ({ parts, block }) => (
      <>
        A dense product reads its numbers in order and uses each of them many times while it is at hand. Scattered
        connections have to be looked up, and a 0 in a matrix is multiplied like any number. So Inception takes its
        sparsity in whole pieces: for all {block.inputs} inputs, a branch either sees a place of the window or does not.
        That joins {share(block.kept, block.all)} of what one {block.side}×{block.side} convolution would, and each
        piece is dense. Here the pieces are {parts} products of {CHANNELS / parts}×{CHANNELS / parts}.
      </>
    ),
    formula,
    where: () => (
      <>
        The paper's argument for Inception: the best structure would be sparse, the hardware wants dense matrices, so
        approximate the one by the other. Grouped convolutions in ResNeXt and ShuffleNet are the same thought. The
        pixels of one map stay together in this experiment; connections scattered over pixels as well would cost more.
      </>
    ),
    link: "Block 3a of GoogLeNet",
  },
  zh: {
    title: "稀疏结构，稠密计算",
    claim: "处理器不会因为连接少而更快。Inception 去掉大部分连接，把剩下的作为稠密的小块来计算。",
    question: "一层的连接只保留随机散布的 8 分之 1，计算会快多少？",
    choices: ["连接少多少倍，就快多少倍", "快一些，但差得远", "完全不会，甚至更慢"],
    task: "保留更少的连接再运行一次。散布的连接在什么比例下才划算？",
    happened: (result) => {
      const { scattered, blocks, isAsPromised } = shortest(result);
      return (
        <>
          随机保留 {result.parts} 分之 1 的连接，最好的方式用了 {milliseconds(result.best!.ms)}，全部连接用了{" "}
          {milliseconds(result.dense!.ms)}：速度是 {times(scattered)} 倍，而乘法少了 {result.parts}{" "}
          倍。同样多的连接组成小的稠密矩阵，速度是全部连接的 <b class="ink-conv">{times(blocks)} 倍</b>。
          {isAsPromised && <b>在这台机器上，散布的连接是划算的：论断在这里不成立。</b>}
          {blocks < scattered && <b>稠密的小块比散布的连接更慢，与论断相反。</b>}
        </>
      );
    },
    why: ({ parts, block }) => (
      <>
        稠密乘法按顺序读取数据，并在数据就绪时多次使用。散布的连接需要逐个查找，而矩阵中的 0 与其他数一样要相乘。因此
        Inception 以整块的方式实现稀疏：对全部 {block.inputs}{" "}
        个输入，一个分支要么看到窗口中的某个位置，要么看不到。这样只连接了一个 {block.side}×{block.side} 卷积的{" "}
        {share(block.kept, block.all)}，而每一块都是稠密的。这里的小块是 {parts} 个 {CHANNELS / parts}×
        {CHANNELS / parts} 的乘法。
      </>
    ),
    formula,
    where: () => (
      <>
        论文为 Inception 给出的理由：最好的结构是稀疏的，硬件却适合稠密矩阵，于是用后者逼近前者。ResNeXt 与 ShuffleNet
        的分组卷积也是同样的想法。在这个实验中，同一特征图的像素保持在一起；若连接也散布在像素之间，代价会更大。
      </>
    ),
    link: "查看 GoogLeNet 的 3a 模块",
  },
});
