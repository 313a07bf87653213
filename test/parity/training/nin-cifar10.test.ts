import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { encodeSafetensors } from "../../../src/checkpoint/index.ts";
import { dataLoader, NORMALIZATION } from "../../../src/data/index.ts";
import { openDataset } from "../../../src/data/node.ts";
import { createModel } from "../../../src/models/index.ts";
import { sgd } from "../../../src/optim/index.ts";
import { nodeEngine } from "../../../src/runtime/node.ts";
import { oneHot, TrainingStep } from "../../../src/train/index.ts";
import { python, pythonSkipReason } from "../../support/python.ts";

const DATA = fileURLToPath(new URL("../../../../shared/data/cifar-10-batches-bin", import.meta.url));
const NOTE = fileURLToPath(new URL("../../../../shared/seed", import.meta.url));

/** The note's NiN, trained by PyTorch on the images named, in that order, from the weights given. */
const REFERENCE = `
import json, os, sys
import numpy as np, torch
data, note, folder, mean, std, lr = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4]), json.loads(sys.argv[5]), float(sys.argv[6])
sys.path.insert(0, note)
import note_models
torch.set_num_threads(os.cpu_count())
raw = np.concatenate([np.fromfile(f"{data}/data_batch_{i}.bin", np.uint8).reshape(-1, 3073) for i in range(1, 6)])
with open(f"{folder}/weights.safetensors", "rb") as file:
    header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    numbers = file.read()
state = {}
for key, entry in header.items():
    begin, end = entry["data_offsets"]
    state[key] = torch.from_numpy(np.frombuffer(numbers[begin:end], np.float32).reshape(entry["shape"]).copy())
model = note_models.NiN()
model.load_state_dict(state, strict=True)
for module in model.modules():
    if isinstance(module, torch.nn.Dropout): module.p = 0
optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (mean, std))
for samples in json.load(open(f"{folder}/batches.json")):
    rows = raw[samples]
    x = (torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32)) / 255 - mean) / std
    loss = torch.nn.functional.nll_loss(model(x).flatten(1).log(), torch.from_numpy(rows[:, 0].astype(np.int64)))
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    print(loss.item())
`;

/** Both compute in float32, in another order of sums. */
const TOLERANCE = 1e-3;
const STEPS = 100;
const LR = 0.05;

const folder = mkdtempSync(join(tmpdir(), "convnets-nin-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const reason = pythonSkipReason("torch", "numpy") ?? (existsSync(DATA) ? undefined : "skipped: CIFAR-10 is not there");
if (reason) console.warn(reason);

describe.skipIf(reason !== undefined)("the note's NiN on CIFAR-10", () => {
  test(`the first ${STEPS} losses are PyTorch's`, { timeout: 600_000 }, async () => {
    const model = createModel("nin").initialize(7);
    writeFileSync(
      join(folder, "weights.safetensors"),
      Buffer.concat([...encodeSafetensors({ tensors: model.stateDict(), metadata: {} })]),
    );
    const transforms = [{ normalize: NORMALIZATION.cifar10 }];
    const loader = dataLoader(await openDataset(DATA), { batchSize: 64, shuffle: true, seed: 3, transforms });
    const step = await TrainingStep.create(model, {
      engine: nodeEngine(),
      input: ["N", 3, 32, 32],
      optimizer: sgd({ momentum: 0.9, weightDecay: 5e-4 }),
      dropout: false,
    });
    const losses: number[] = [];
    const order: number[][] = [];
    for await (const { images, labels, samples, index } of loader.epoch(0)) {
      if (index === STEPS) break;
      order.push([...samples]);
      losses.push((await step.run({ input: images, target: oneHot(labels.data, 10) }, LR)).loss);
    }
    await step.dispose();
    writeFileSync(join(folder, "batches.json"), JSON.stringify(order));
    const { mean, std } = NORMALIZATION.cifar10;
    const args = [DATA, NOTE, folder, JSON.stringify(mean), JSON.stringify(std), String(LR)];
    const expected = python(REFERENCE, { args }).trim().split("\n").map(Number);
    expect(losses).toHaveLength(STEPS);
    losses.forEach((loss, i) => {
      expect(Math.abs(loss / expected[i]! - 1), `loss ${i + 1}: ${loss}, PyTorch ${expected[i]}`).toBeLessThan(
        TOLERANCE,
      );
    });
    // with PyTorch's first weights the note's NiN starts slowly: the loss has to have begun to fall
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
  });
});
