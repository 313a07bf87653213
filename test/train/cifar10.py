"""A network, trained by PyTorch on CIFAR-10: given weights, images in a given order, no dropout, no augmentation.

Arguments: the folder of CIFAR-10, that of note_models.py, that of weights.safetensors and plan.json, which has mean and std of
the pixels, and for each step its learning rate and the positions of its images; and the network as an expression. Prints a line
for each loss. Where the plan asks for it, trains once more with channels last in memory, which sums in another order, and prints
these losses; and the share of test images classified correctly.
"""

import importlib
import json
import os
import sys

import numpy as np
import torch

data, note, folder, network = sys.argv[1:5]
sys.path.insert(0, note)
# threads that wait for each other cost more than they save
torch.set_num_threads(1)


def images_of(*files):
    return np.concatenate([np.fromfile(os.path.join(data, file), np.uint8).reshape(-1, 3073) for file in files])


with open(os.path.join(folder, "weights.safetensors"), "rb") as file:
    header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    numbers = file.read()
state = {}
for key, entry in header.items():
    begin, end = entry["data_offsets"]
    dtype = {"F32": np.float32, "I64": np.int64}[entry["dtype"]]
    state[key] = torch.from_numpy(np.frombuffer(numbers[begin:end], dtype).reshape(entry["shape"]).copy())
with open(os.path.join(folder, "plan.json")) as file:
    plan = json.load(file)
mean, std = (torch.tensor(plan[name]).reshape(1, 3, 1, 1) for name in ("mean", "std"))


def batch(rows):
    x = (torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32)) / 255 - mean) / std
    return x, torch.from_numpy(rows[:, 0].astype(np.int64))


train = images_of(*(f"data_batch_{i}.bin" for i in range(1, 6)))


def run(memory_format):
    model = eval(network)
    model.load_state_dict(state, strict=True)
    model.to(memory_format=memory_format)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0
    optimizer = torch.optim.SGD(model.parameters(), lr=1, momentum=0.9, weight_decay=5e-4)
    for step in plan["steps"]:
        x, labels = batch(train[step["samples"]])
        optimizer.param_groups[0]["lr"] = step["lr"]
        y = model(x.contiguous(memory_format=memory_format)).flatten(1)
        scores = y.log() if "Softmax" in str(model) else torch.nn.functional.log_softmax(y, 1)
        loss = torch.nn.functional.nll_loss(scores, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(loss.item(), flush=True)
    return model


model = run(torch.contiguous_format)
if plan["again"]:
    run(torch.channels_last)
if plan["evaluate"]:
    model.eval()
    right = 0
    with torch.no_grad():
        for rows in np.array_split(images_of("test_batch.bin"), 100):
            x, labels = batch(rows)
            right += (model(x).flatten(1).argmax(1) == labels).sum().item()
    print(right / 10_000)
