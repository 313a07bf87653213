import { readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crc32c, record } from "../../src/runs/node/tensorboard.ts";
import { course } from "./made-up.ts";
import { crcByDivision, isStart, log, newDir, readRecords, readRun, scalars, shown } from "./tensorboard-files.ts";

describe("CRC-32C", () => {
  test("gives the published check values", () => {
    // RFC 3720, B.4
    expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c);
  });

  test("is the remainder of a division, for any bytes; records give them back", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(crc32c(bytes)).toBe(crcByDivision(bytes));
        expect(readRecords(Buffer.from(record(bytes)))).toEqual([Buffer.from(bytes)]);
      }),
    );
  });
});

describe("event files", () => {
  test("have TensorBoard's records, checksums and scalars", async () => {
    const dir = newDir();
    await log(dir, { epochs: 2, stepsPerEpoch: 3 });
    expect(readdirSync(dir)[0]).toMatch(/^events\.out\.tfevents\.1700000000\./);
    const [events] = readRun(dir);
    expect(String(events![0]!.get(3)![0])).toBe("brain.Event:2");
    expect(isStart(events![1]!)).toBe(true);
    expect(events!.slice(2).map((event) => event.get(2)![0])).toEqual([1, 2, 3, 3, 4, 5, 6, 6]);
    for (const event of events!) expect(event.get(1)![0]).toBe(1_700_000_000);
    const told = [...course({ epochs: 2, stepsPerEpoch: 3 })];
    const step = told.find((event) => event.type === "step")!;
    expect(scalars(events![2]!)).toEqual({
      "loss/step": Math.fround(step.loss),
      "accuracy/step": Math.fround(step.accuracy),
      lr: Math.fround(step.lr),
      images_per_second: 256,
    });
    const epoch = told.find((event) => event.type === "epoch")!;
    expect(scalars(events![5]!)).toEqual({
      "loss/train": Math.fround(epoch.train.loss),
      "accuracy/train": Math.fround(epoch.train.accuracy),
      utilisation: Math.fround(0.98),
      "loss/validation": Math.fround(epoch.validation!.loss),
      "top1/validation": Math.fround(epoch.validation!.top1),
      "top5/validation": Math.fround(epoch.validation!.top5),
    });
  });

  test("resumed, show each step once, also in a quick succession of restarts", async () => {
    const [whole, dir] = [newDir(), newDir()];
    await log(whole, {});
    await log(dir, { stopAfter: 9 });
    await log(dir, { from: 4, stopAfter: 12 }, 4);
    await log(dir, { from: 10 }, 10);
    expect(readdirSync(dir)).toHaveLength(3);
    for (const tag of ["loss/step", "lr", "loss/validation"])
      expect(shown(readRun(dir), tag)).toEqual(shown(readRun(whole), tag));
  });

  test("of a run that starts anew in its folder, take all back", async () => {
    const [whole, dir] = [newDir(), newDir()];
    await log(whole, {});
    await log(dir, { stopAfter: 3 });
    await log(dir, {});
    expect(shown(readRun(dir), "loss/step")).toEqual(shown(readRun(whole), "loss/step"));
  });
});
