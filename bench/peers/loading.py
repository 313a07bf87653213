"""torchvision's DataLoader over a folder of images, as its reference recipe reads it. Arguments: folder, workers, batch size."""

import sys
import time

try:
    import torch
    from torchvision import datasets, transforms as T
except ImportError:
    print("unsupported", flush=True)
    sys.exit(0)

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
    start = time.perf_counter()
    count = sum(len(labels) for _, labels in loader)
    print(count / (time.perf_counter() - start), flush=True)
