"""PyTorch as a peer: the networks of the study note, on all cores. See protocol.ts."""

import json
import os
import resource
import sys
import time

try:
    import torch
    import torch.nn.functional as F

    sys.path.insert(0, os.environ["NOTE_MODELS"])
    import note_models
except (ImportError, KeyError):
    print("unsupported", flush=True)
    sys.exit(0)

case = json.loads(sys.stdin.readline())
torch.set_num_threads(os.cpu_count())  # its own default can be fewer
torch.manual_seed(0)
model = {"vgg16": note_models.VGG16, "nin": note_models.NiN, "googlenet": note_models.GoogLeNet}[case["network"]]()
x = torch.sin(torch.arange(case["batch"] * 3 * case["size"] ** 2, dtype=torch.float64) * 12.9898).float()
x = x.reshape(case["batch"], 3, case["size"], case["size"])
labels = torch.arange(case["batch"]) % 10

if case["mode"] == "infer":
    model.eval()

    def run():
        with torch.inference_mode():
            model(x)

else:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, weight_decay=5e-4)

    def run():
        y = model(x)
        if case["network"] == "googlenet":
            main, aux2, aux1 = y
            loss = F.cross_entropy(main, labels) + 0.3 * (F.cross_entropy(aux2, labels) + F.cross_entropy(aux1, labels))
        else:
            loss = F.nll_loss(y.flatten(1).log(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()


print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    run()
    print((time.perf_counter() - start) * 1000, flush=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)
