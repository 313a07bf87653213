import { expect, test } from "vitest";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { log, newDir, readRun, shown } from "./tensorboard-files.ts";

const reason = pythonSkipReason("tensorboard");

test("TensorBoard itself reads a resumed run", unless(reason), async () => {
  const dir = newDir();
  await log(dir, { stopAfter: 9 });
  await log(dir, { from: 4 }, 4);
  const script = `
import json, sys
from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
old = event_accumulator.EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
new = plugin_event_accumulator.EventAccumulator(sys.argv[1], size_guidance={"tensors": 0})
old.Reload(), new.Reload()
print(json.dumps({
    "old": {tag: [[e.step, e.value] for e in old.Scalars(tag)] for tag in old.Tags()["scalars"]},
    "new": {tag: [e.step for e in new.Tensors(tag)] for tag in new.Tags()["tensors"]},
}))`;
  const read = JSON.parse(python(script, { args: [dir] }));
  const files = readRun(dir);
  const tags = Object.keys(read.old);
  expect(tags).toHaveLength(10);
  for (const tag of tags) {
    expect(read.old[tag]).toEqual(shown(files, tag));
    expect(read.new[tag]).toEqual(shown(files, tag).map(([step]) => step));
  }
});
