"""
PyTorch on the cases of bench/gpu.ts, in one process: on the processor, with and without channels last, and on a GPU through CUDA.
Arguments: seconds for each case, and words, one of which the name of a network has to hold. Images go in and scores come out, so that
copying them is part of the time, as in bench/gpu/measure.ts. Prints a line of JSON per network.
"""

import json
import os
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "peers"))
from networks import network, training_loss  # noqa: E402

CASES = {
    "vgg_small": (32, 64),
    "inception_small": (64, 32),
    "nin": (32, 64),
    "resnet18": (224, 16),
    "mobilenet_v2": (224, 16),
    "googlenet": (224, 16),
    "vgg16": (224, 8),
}
torch.Tensor.view = torch.Tensor.reshape  # networks that flatten by view() would stop with channels last
torch.set_num_threads(len(os.sched_getaffinity(0)))
torch.backends.cudnn.benchmark = True
SECONDS, WORDS = float(sys.argv[1]), sys.argv[2:]


def median_time(run):
    times = []
    for i in range(-2, 30):
        start = time.perf_counter()
        run()
        if i >= 0:
            times.append(time.perf_counter() - start)
        if i >= 2 and sum(times) > SECONDS:
            break
    return 1000 * sorted(times)[len(times) // 2]


def prepared(name, device, layout, training):
    model = network(name).to(device, memory_format=layout).train(training)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0
    return model


def inference(name, size, batch, device, layout):
    model = prepared(name, device, layout, False)
    x = torch.randn(batch, 3, size, size).to(memory_format=layout)

    def run():
        with torch.inference_mode():
            y = model(x.to(device))
            (y if isinstance(y, torch.Tensor) else y[0]).cpu()

    return median_time(run)


def training(name, size, batch, device, layout):
    model = prepared(name, device, layout, True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, weight_decay=5e-4)
    x = torch.randn(batch, 3, size, size).to(memory_format=layout)
    labels = torch.arange(batch) % 10

    def run():
        loss = training_loss(name, model(x.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return median_time(run)


print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
kinds = [("cpu", torch.contiguous_format), ("cpu", torch.channels_last), ("cuda", torch.contiguous_format)]
for name, (size, batch) in CASES.items():
    if WORDS and not any(word in name for word in WORDS):
        continue
    result = {"network": name}
    for device, layout in kinds if torch.cuda.is_available() else kinds[:2]:
        times = {f"batch {n}": inference(name, size, n, device, layout) for n in (1, 8, 32)}
        times[f"training, batch {batch}"] = training(name, size, batch, device, layout)
        kind = f"{device}, channels last" if layout == torch.channels_last else device
        result[kind] = {case: round(ms, 2) for case, ms in times.items()}
    print(json.dumps(result), flush=True)
