/** What the benchmark says about the machine, and its table in docs/benchmarks.md. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus } from "node:os";
import type { Result } from "./run.ts";

const require = createRequire(import.meta.url);

/** Processor, instruction sets, threads and versions, in a line. */
export function environment(python: string, threads = availableParallelism()): string {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? [];
  const sets = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"].filter((set) => flags.includes(set));
  const torch = spawnSync(python, ["-c", "import torch; print(torch.__version__)"], { encoding: "utf8" });
  const { version } = JSON.parse(readFileSync(require.resolve("onnxruntime-node/package.json"), "utf8"));
  return [
    `${cpus()[0]?.model.trim()} (${sets.join(", ")})`,
    `${threads} threads each`,
    `Node ${process.versions.node}`,
    `ONNX Runtime ${version}`,
    torch.status === 0 ? `PyTorch ${torch.stdout.trim()}` : "no PyTorch",
  ].join(" · ");
}

/** Around the table of the cases with this word in their names. */
const marks = (only: string) =>
  [`<!-- measured: ${only || "everything"} -->`, `<!-- /measured: ${only || "everything"} -->`] as const;

const ratio = (result: Result | undefined) => (result ? `${result.ratio.toFixed(2)}` : "");
const megabytes = (bytes: number) => Math.round(bytes / 1e6);

/** A row for each case: our time, the best of PyTorch's modes beside it, and every peer's ratio. */
function row(name: string, peers: readonly string[], results: readonly Result[]): string {
  const ofCase = results.filter((result) => result.case === name);
  const torch = ofCase.filter(({ peer }) => peer.startsWith("PyTorch") && !peer.includes("bfloat16"));
  const best = torch.reduce<Result | undefined>((a, b) => (a && a.ratio <= b.ratio ? a : b), undefined);
  // every peer had a process of ours beside it
  const memories = ofCase.map(({ ourMemory }) => ourMemory).sort((a, b) => a - b);
  const ours = memories[memories.length >> 1]!;
  const cells = [
    name,
    ofCase[0]!.ours.toFixed(1),
    best ? `**${ratio(best)}** (${best.min.toFixed(2)} … ${best.max.toFixed(2)})` : "",
    ...peers.map((peer) => ratio(ofCase.find((result) => result.peer === peer))),
    best ? `${megabytes(ours)} / ${megabytes(Math.min(...torch.map(({ theirMemory }) => theirMemory)))}` : "",
  ];
  return `| ${cells.join(" | ")} |`;
}

/** The document with the table of these results in place of the one that it has of the same cases. */
export function markdown(
  document: string,
  { about, command, only, results }: { about: string; command: string; only: string; results: readonly Result[] },
): string {
  const [begin, end] = marks(only);
  const peers = [...new Set(results.map(({ peer }) => peer))];
  const names = [...new Set(results.map(({ case: name }) => name))];
  const head = [
    "case",
    "ours, ms",
    "best PyTorch / ours",
    ...peers.map((peer) => `${peer} / ours`),
    "MB ours / PyTorch",
  ];
  const table = [
    `| ${head.join(" | ")} |`,
    `| --- |${" ---: |".repeat(head.length - 1)}`,
    ...names.map((name) => row(name, peers, results)),
  ];
  const measured = `${begin}\n\n\`${command}\`\n\n${about}\n\n${table.join("\n")}\n\n${end}`;
  const [before, after] = [document.indexOf(begin), document.indexOf(end)];
  if (before < 0) return `${document.trimEnd()}\n\n${measured}\n`;
  return document.slice(0, before) + measured + document.slice(after + end.length);
}
