import { createInterface } from "node:readline";

/** Milliseconds that a turn takes at least. Runs in a row find their threads and caches warm, as those of a program do. */
const TURN = 500;

/**
 * A peer is a process: a case as JSON in the first line, answered by "ready" or "unsupported"; then each line "go" is a turn, answered
 * by the milliseconds that a run took in it. It ends when its input does, with its peak memory in bytes.
 */
export async function serve(prepare) {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const first = await lines.next();
  const run = await prepare(JSON.parse(first.value));
  if (!run) return console.log("unsupported");
  console.log("ready");
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    const start = performance.now();
    let runs = 0;
    for (; performance.now() - start < TURN; runs++) await run();
    console.log((performance.now() - start) / runs);
  }
  console.log(process.resourceUsage().maxRSS * 1024);
  process.exit(0);
}

/** The same pictures for everyone: numbers between −1 and 1. */
export function pictures(length) {
  return Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898));
}
