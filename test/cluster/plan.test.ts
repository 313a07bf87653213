import { describe, expect, test } from "vitest";
import { checkShards, oneProcess, type PlannedSum, partOf, plannedSums } from "../../src/cluster/index.ts";
import { dataLoader, shapes } from "../../src/data/index.ts";

/** Numbers whose sums depend on the order of the summands. */
const numbers = (shard: number) =>
  Float32Array.from({ length: 50 }, (_, i) => Math.sin(shard * 50 + i) * 10 ** (i % 7));

/** What every rank ends up with if all follow their plans, as messages arrive. */
function together(shards: number, size: number): Float32Array[] {
  const ranks = Array.from({ length: size }, (_, rank) => {
    const { from, to } = partOf(shards, size, rank);
    const buffers = Array.from({ length: to - from }, (_, i) => numbers(from + i));
    return { buffers, plan: plannedSums(shards, size, rank), at: 0, sent: false };
  });
  const mail = new Map<string, Float32Array[]>();
  const box = (from: number, to: number) => {
    const known = mail.get(`${from} ${to}`) ?? [];
    mail.set(`${from} ${to}`, known);
    return known;
  };
  const advance = (rank: number): boolean => {
    const one = ranks[rank]!;
    const sum: PlannedSum | undefined = one.plan[one.at];
    if (!sum) return false;
    const isNew = !one.sent;
    if (isNew) for (const send of sum.sends) box(rank, send.rank).push(one.buffers[send.buffer]!.slice());
    one.sent = true;
    const other = "buffer" in sum.other ? one.buffers[sum.other.buffer]! : box(sum.other.rank, rank).shift();
    if (!other) return isNew;
    const into = one.buffers[sum.into]!;
    for (const [i, value] of other.entries()) into[i] = into[i]! + value;
    one.at++;
    one.sent = false;
    return true;
  };
  while (ranks.map((_, rank) => advance(rank)).some(Boolean));
  for (const { at, plan } of ranks) expect(at, "a rank waits for ever").toBe(plan.length);
  expect([...mail.values()].flat(), "a message that nobody receives").toEqual([]);
  return ranks.map(({ buffers }) => buffers[0]!);
}

test("every number of ranks gives the same bits as one process", async () => {
  for (let shards = 1; shards <= 24; shards++) {
    const alone = Array.from({ length: shards }, (_, i) => numbers(i));
    await oneProcess().allReduce(alone);
    for (let size = 1; size <= shards; size++) {
      if (shards % size !== 0) continue;
      for (const sum of together(shards, size)) expect(sum, `${shards} shards on ${size} ranks`).toEqual(alone[0]);
    }
  }
});

test("as many ranks as shards, a power of two: each sends once per level", () => {
  for (let rank = 0; rank < 8; rank++)
    expect(plannedSums(8, 8, rank).map(({ sends }) => sends.length)).toEqual([1, 1, 1]);
});

test("ranks that cannot share the shards are refused, with the numbers that can", () => {
  expect(() => checkShards(6, 4)).toThrow("4 ranks cannot share evenly; start 1, 2, 3 or 6 ranks");
  expect(() => checkShards(1, 2)).toThrow("start 1 rank");
});

describe("loaders of several ranks", () => {
  const dataset = shapes({ length: 21 });
  const options = { batchSize: 8, shuffle: true, seed: 3, transforms: ["randomHorizontalFlip"] } as const;
  const collect = async (loader: ReturnType<typeof dataLoader>, from = 0) => {
    const batches = [];
    for await (const batch of loader.epoch(1, { from })) batches.push(batch);
    return batches;
  };

  test("the shards of all ranks are the batches of one process", async () => {
    const whole = await collect(dataLoader(dataset, options));
    for (const size of [1, 2, 4]) {
      const parts = await Promise.all(
        Array.from({ length: size }, (_, rank) =>
          collect(dataLoader(dataset, { ...options, part: partOf(4, size, rank) })),
        ),
      );
      for (const { index, samples, images } of whole) {
        const shards = parts.flat().filter((batch) => batch.index === index);
        expect(shards.map(({ shard }) => shard)).toEqual([0, 1, 2, 3]);
        expect(shards.flatMap((shard) => [...shard.samples])).toEqual([...samples]);
        expect(shards.flatMap((shard) => [...shard.images.data])).toEqual([...images.data]);
      }
    }
  });

  test("a run resumes within an epoch; a last batch may leave shards without images", async () => {
    const loader = dataLoader(dataset, { ...options, batchSize: 20, part: partOf(4, 2, 0) });
    const resumed = await collect(loader, 1);
    expect(resumed.map(({ shard, samples }) => [shard, samples.length])).toEqual([
      [0, 0],
      [1, 0],
    ]);
    expect((await loader.first()).samples).toHaveLength(5);
  });

  test("whole batches in turn, for evaluation", async () => {
    const parts = await Promise.all(
      [0, 1, 2, 3].map((rank) => collect(dataLoader(dataset, { batchSize: 8, part: { rank, size: 4 } }))),
    );
    expect(parts.map((batches) => batches.map(({ index }) => index))).toEqual([[0], [1], [2], []]);
  });

  test("batches that cannot be cut are refused, with sizes that can", () => {
    expect(() => dataLoader(dataset, { batchSize: 10, part: partOf(4, 1, 0) })).toThrow(
      "set the batch size to 8 or 12",
    );
  });
});
