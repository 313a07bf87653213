import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCheckpoint } from "../../src/checkpoint/node/index.ts";
import { createModel } from "../../src/models/index.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";

const root = mkdtempSync(join(tmpdir(), "convnets-pretrained-"));
afterAll(() => rmSync(root, { recursive: true }));

/** Random weights of torchvision's networks, as old and new versions of PyTorch write them. */
const SAVE = `
import os, sys
import torch, torchvision
for name in ("kaiming_uniform_", "kaiming_normal_", "trunc_normal_", "normal_", "uniform_"):
    setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)
torch.manual_seed(0)
for name in ["googlenet", "vgg11_bn"]:
    model = getattr(torchvision.models, name)(**(dict(init_weights=False, aux_logits=True) if name == "googlenet" else {}))
    state = model.state_dict()
    for value in state.values():
        if value.is_floating_point():
            value.copy_(torch.rand(1) + torch.arange(value.numel()).reshape(value.shape) / value.numel())
    if name == "vgg11_bn":  # as PyTorch before 0.4.1 wrote it: in the stream form, batches not counted
        for key in [key for key in state if key.endswith("num_batches_tracked")]:
            del state[key]
    path = os.path.join(sys.argv[1], name + ".pth")
    torch.save(state, path, _use_new_zipfile_serialization=name == "googlenet")
`;
const reason = pythonSkipReason("torchvision");

describe("files of PyTorch", unless(reason), () => {
  beforeAll(() => {
    python(SAVE, { args: [root] });
  }, 120_000);

  it.each(["googlenet", "vgg11_bn"])("that of %s loads strictly", async (name) => {
    const { tensors } = await readCheckpoint(join(root, `${name}.pth`));
    const model = createModel(name, { variant: "torchvision" });
    model.loadStateDict(tensors);
    const loaded = model.stateDict();
    for (const [key, value] of tensors) expect(loaded.get(key)).toBe(value);
    const counts = [...loaded].filter(([key]) => key.endsWith("num_batches_tracked"));
    for (const [, { data }] of counts) expect(data).toEqual(BigInt64Array.of(0n));
    expect(loaded.size - tensors.size).toBe(name === "vgg11_bn" ? counts.length : 0);
    expect(() => createModel(name, { variant: "note" }).loadStateDict(tensors)).toThrow("does not fit\n  missing: ");
  });
});
