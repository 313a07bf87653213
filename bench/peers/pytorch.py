"""
PyTorch as a peer, on all cores. Arguments are its modes: channels_last, compile, jit (frozen, for inference only), bf16. See protocol.mjs.
With the argument "onnx", it writes its own export of the case's network to the path that follows.
"""

import json
import os
import resource
import sys
import time

# seconds that a turn takes at least, as in protocol.mjs
TURN = 0.5

arguments = sys.argv[1:]
try:
    import torch

    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from networks import network, training_loss

    case = json.loads(sys.stdin.readline())
    # its own default can be fewer
    torch.set_num_threads(int(os.environ.get("BENCH_THREADS") or len(os.sched_getaffinity(0))))
    torch.manual_seed(0)
    model = network(case["network"])
except (ImportError, KeyError):
    print("unsupported", flush=True)
    sys.exit(0)


x = torch.sin(torch.arange(case["batch"] * 3 * case["size"] ** 2, dtype=torch.float64) * 12.9898).float()
x = x.reshape(case["batch"], 3, case["size"], case["size"])
labels = torch.arange(case["batch"]) % 10

if "onnx" in arguments:
    path = arguments[arguments.index("onnx") + 1]
    torch.onnx.export(model.eval(), x, path, input_names=["input"], opset_version=17, dynamo=False)
    print("ready", flush=True)
    sys.exit(0)

if "jit" in arguments and case["mode"] != "infer":
    print("unsupported", flush=True)
    sys.exit(0)
is_old = not hasattr(torch, "compile")
if (is_old and "compile" in arguments) or ("bf16" in arguments and "avx512_bf16" not in open("/proc/cpuinfo").read()):
    print("unsupported", flush=True)
    sys.exit(0)
if "channels_last" in arguments:
    # networks that flatten by view() would stop otherwise
    torch.Tensor.view = torch.Tensor.reshape
    model = model.to(memory_format=torch.channels_last)
    x = x.to(memory_format=torch.channels_last)
for module in model.modules():
    if isinstance(module, torch.nn.Dropout):
        module.p = 0
model.train(case["mode"] == "train")
forward = torch.compile(model) if "compile" in arguments else model
if "jit" in arguments:
    with torch.inference_mode():
        forward = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x)))


def autocast():
    return torch.autocast("cpu", torch.bfloat16, enabled="bf16" in arguments)


if case["mode"] == "infer":

    def run():
        with torch.inference_mode(), autocast():
            forward(x)

else:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, weight_decay=5e-4)

    def run():
        with autocast():
            y = forward(x)
        loss = training_loss(case["network"], y, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()


try:
    run()  # compiles
except Exception as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    print("unsupported", flush=True)
    sys.exit(0)
print("ready", flush=True)
for _ in sys.stdin:
    start = time.perf_counter()
    runs = 0
    while time.perf_counter() - start < TURN:
        run()
        runs += 1
    print((time.perf_counter() - start) * 1000 / runs, flush=True)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)
