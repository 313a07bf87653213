/**
 * Damages small files of every kind, and reads them. Every file has to be read, or refused with one of the library's own errors:
 *
 *     npx tsx scripts/fuzz.ts --count 100000 --seed 1 [--only pickle,zip]
 *
 * `--only` takes the beginnings of readers' names. `--count` is the number of files of all readers together. What goes wrong is printed
 * with what it takes to see it again; the exit code is then 1. Memory is what arrays take after a file was read, as a factor of its size;
 * time is that of the processor.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Random } from "../src/random.ts";
import { mutated, readers, tryRead } from "../test/fuzz/readers.ts";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
  },
});
/** Bytes in memory for each of a file, besides images, whose pixels count. */
const MOST = 64;
const HAS_PIXELS = /^(bmp|images|data)/;
const folder = mkdtempSync(join(tmpdir(), "convnets-fuzz-"));
const asked = values.only?.split(",");
const all = Object.entries(await readers(folder)).filter(
  ([name]) => !asked || asked.some((begin) => name.startsWith(begin)),
);
const shares = all.reduce((sum, [, { share = 1 }]) => sum + share, 0);
const found = new Map<string, string>();

console.log("reader                      files    read  refused  files/s  largest memory  longest");
let total = 0;
for (const [name, reader] of all) {
  const random = new Random(Number(values.seed), name);
  const rounds = Math.ceil((Number(values.count) * (reader.share ?? 1)) / shares);
  const started = process.cpuUsage();
  let [read, refused, factor, time] = [0, 0, 0, 0];
  for (let round = 0; round < rounds; round++) {
    const seed = reader.seeds[round % reader.seeds.length]!;
    const bytes = mutated(seed, random);
    const one = await tryRead(reader, bytes);
    if (one.outcome === "read") read++;
    else if (one.outcome === "refused") refused++;
    else {
      const where =
        one.outcome.stack
          ?.split("\n")
          .find((line) => /\/src\//.test(line))
          ?.trim() ?? "";
      const key = `${name}: ${one.outcome.name}: ${one.outcome.message.slice(0, 100)} ${where}`;
      if (!found.has(key)) found.set(key, Buffer.from(bytes).toString("base64").slice(0, 600));
    }
    if (one.factor > MOST && !HAS_PIXELS.test(name))
      found.set(`${name}: ${one.factor.toFixed(0)} times its size in memory`, Buffer.from(bytes).toString("base64"));
    factor = Math.max(factor, one.factor);
    time = Math.max(time, one.time);
  }
  const { user, system } = process.cpuUsage(started);
  const rate = Math.round(rounds / ((user + system) / 1e6));
  total += rounds;
  console.log(
    `${name.padEnd(26)} ${String(rounds).padStart(6)} ${String(read).padStart(7)} ${String(refused).padStart(8)} ${String(rate).padStart(8)} ${`${factor.toFixed(0)}×`.padStart(15)} ${`${time.toFixed(0)} ms`.padStart(8)}`,
  );
}
for (const [key, bytes] of found) console.log(`\n${key}\n${bytes}`);
const peak = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(`\n${total} files, seed ${values.seed}: ${found.size} wrong; peak memory of the process ${peak} MB`);
rmSync(folder, { recursive: true });
process.exitCode = found.size > 0 ? 1 : 0;
