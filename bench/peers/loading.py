"""
torchvision's DataLoader over a folder of images, as its reference recipe reads it. Arguments: folder, workers, batch size. Each line is
answered by images per second, and the processor's milliseconds per image.
"""

import multiprocessing
import os
import sys
import time

try:
    import torch
    from torchvision import datasets, transforms as T
except ImportError:
    print("unsupported", flush=True)
    sys.exit(0)

TICKS = os.sysconf("SC_CLK_TCK")


def used():
    """Seconds of the processor, of this process and of the workers."""
    seconds = time.process_time()
    for worker in multiprocessing.active_children():
        with open(f"/proc/{worker.pid}/stat") as stat:
            user, system = stat.read().rsplit(")", 1)[1].split()[11:13]
            seconds += (int(user) + int(system)) / TICKS
    return seconds


folder, workers, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
normalize = T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
steps = T.Compose([T.RandomResizedCrop(224), T.RandomHorizontalFlip(), T.ToTensor(), normalize])
loader = torch.utils.data.DataLoader(
    datasets.ImageFolder(folder, steps), batch, shuffle=True, num_workers=workers, persistent_workers=True
)
list(loader)  # workers start
print("ready", flush=True)
for _ in sys.stdin:
    start, before = time.perf_counter(), used()
    count = sum(len(labels) for _, labels in loader)
    print(count / (time.perf_counter() - start), (used() - before) / count * 1000, flush=True)
