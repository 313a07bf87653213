import { describe, expect, test } from "vitest";
import { checkShards, oneProcess, partOf, planSums, type SumPlan, sliceOf } from "../../src/cluster/index.ts";
import { dataLoader, shapes } from "../../src/data/index.ts";

/** Numbers whose sums depend on the order of the summands. */
const numbers = (shard: number) =>
  Float32Array.from({ length: 50 }, (_, i) => Math.sin(shard * 50 + i) * 10 ** (i % 7));

/** What every rank ends up with if all follow their plans. */
function together(shards: number, size: number): Float32Array[] {
  const add = (list: readonly Float32Array[], additions: SumPlan["rest"], { from, to } = { from: 0, to: 50 }) => {
    for (const { into, other } of additions)
      for (let i = from; i < to; i++) list[into]![i] = list[into]![i]! + list[other]![i]!;
  };
  const ranks = Array.from({ length: size }, (_, rank) => {
    const { from, to } = partOf(shards, size, rank);
    const parts = Array.from({ length: to - from }, (_, i) => numbers(from + i));
    const plan = planSums(shards, size, rank);
    add(parts, plan.local);
    return { parts, plan, sent: parts.map((part) => part.slice()) };
  });
  for (const [rank, { parts, plan }] of ranks.entries()) {
    for (const { rank: from, part } of plan.buffers) expect(ranks[from]!.plan.sent).toContain(part);
    const buffers = plan.buffers.map((one) => (one.rank === rank ? parts : ranks[one.rank]!.sent)[one.part]!.slice());
    add(buffers, plan.rest, sliceOf(50, size, rank));
    const first = plan.buffers.findIndex((one) => one.rank === rank);
    parts[0]!.set(buffers[first]!);
  }
  return ranks.map((_, rank) => {
    const sum = ranks[rank]!.parts[0]!.slice();
    for (const [other, { parts }] of ranks.entries()) {
      const { from, to } = sliceOf(50, size, other);
      sum.set(parts[0]!.subarray(from, to), from);
    }
    return sum;
  });
}

test("every number of ranks gives the same bits as one process", async () => {
  for (const shards of [1, 2, 3, 4, 5, 6, 8, 10, 12, 16]) {
    const alone = Array.from({ length: shards }, (_, i) => numbers(i));
    await oneProcess().allReduce(alone);
    for (let size = 1; size <= shards; size++) {
      if (shards % size !== 0) continue;
      for (const sum of together(shards, size)) expect(sum, `${shards} shards on ${size} ranks`).toEqual(alone[0]);
    }
  }
});

test("a rank adds up what it can before it sends", () => {
  expect(planSums(8, 4, 1)).toMatchObject({ local: [{ into: 0, other: 1 }], sent: [0] });
  // shards 3, 4 and 5 of 12 are not below one node of the tree
  expect(planSums(12, 4, 1).sent).toHaveLength(1);
  expect(planSums(6, 2, 0).sent).toHaveLength(1);
  expect(planSums(10, 5, 1).sent).toHaveLength(2);
});

describe("16 bits on the wire", () => {
  const steps = 20;
  const totals = async (to?: "bf16" | "fp16") => {
    const errors = [0, 1, 2, 3].map(() => new Float32Array(40));
    const sumErrors = new Float32Array(40);
    const total = new Float32Array(50);
    for (let step = 0; step < steps; step++) {
      const parts = errors.map((_, shard) => numbers(shard + 4 * step).map((value) => value / 2 ** 14));
      const compression = to && { to, floats: 40, errors, sumErrors };
      await oneProcess().allReduce(parts, compression ? { compression } : {});
      for (const [i, value] of parts[0]!.entries()) total[i] = total[i]! + value;
    }
    return total;
  };

  test.each(["bf16", "fp16"] as const)("%s: what rounding leaves out of a sum comes with the next ones", async (to) => {
    const [exact, rounded] = [await totals(), await totals(to)];
    expect(rounded.slice(40)).toEqual(exact.slice(40));
    const ulp = to === "bf16" ? 2 ** -8 : 2 ** -11;
    for (let i = 0; i < 40; i++) {
      // one rounding of each kind at most is still to come, however many steps there were
      const largest = 10 ** (i % 7) / 2 ** 14;
      expect(Math.abs(rounded[i]! - exact[i]!)).toBeLessThan(ulp * 8 * largest);
    }
    expect(rounded).not.toEqual(exact);
  });

  test("what is too large for fp16 is sent in several steps", async () => {
    const errors = [new Float32Array(2)];
    const compression = { to: "fp16", floats: 2, errors, sumErrors: new Float32Array(2) } as const;
    const send = async (...values: number[]) => {
      const parts = [Float32Array.from(values)];
      await oneProcess().allReduce(parts, { compression });
      return [...parts[0]!];
    };
    expect(await send(1e5, -1e5)).toEqual([65504, -65504]);
    expect(await send(0, 0)).toEqual([34496, -34496]);
    expect(await send(Number.NaN, Number.POSITIVE_INFINITY)).toEqual([Number.NaN, Number.POSITIVE_INFINITY]);
  });
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
