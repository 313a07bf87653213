"""
PyTorch's DistributedDataParallel over gloo, one thread per process, channels_last. Prints JSON like step.mjs.

    python ddp.py NETWORK IMAGES_PER_RANK STEPS RANKS
"""

import json
import os
import resource
import statistics
import sys
import time

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peers"))


def work(rank, name, batch, steps, size):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=os.environ.get("MASTER_PORT", "29511"))
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank % os.cpu_count()]})
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=size)
    from networks import network, training_loss

    torch.Tensor.view = torch.Tensor.reshape
    side = 32 if name == "nin" else 224
    model = network(name).to(memory_format=torch.channels_last)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0
    model = torch.nn.parallel.DistributedDataParallel(model.train(), gradient_as_bucket_view=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    x = torch.randn(batch, 3, side, side).to(memory_format=torch.channels_last)
    labels = torch.arange(batch) % 10

    def step():
        loss = training_loss(name, model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    times = []
    for i in range(steps + 2):
        dist.barrier()
        start = time.perf_counter()
        step()
        if i >= 2:
            times.append(time.perf_counter() - start)
    memory = torch.tensor([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024])
    dist.all_reduce(memory, dist.ReduceOp.MAX)
    if rank == 0:
        seconds = statistics.median(times)
        result = {"network": name, "ranks": size, "batch": batch, "seconds": seconds}
        print(json.dumps({**result, "imagesPerSecond": batch * size / seconds, "memory": memory.item()}), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    name, batch, steps, size = sys.argv[1], *map(int, sys.argv[2:5])
    mp.spawn(work, (name, batch, steps, size), size)
