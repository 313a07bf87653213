"""
An epoch of training and validation over a folder of images, after torchvision's reference recipe for classification, with the transforms
of `convnets train`. Arguments: folder, network, batch size, workers. torchvision's own transforms where it is installed, the same on
Pillow's images otherwise.
"""

import json
import math
import os
import random
import resource
import sys
import time

start = time.perf_counter()
import torch
from networks import network, training_loss
from PIL import Image

folder, name, batch, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(len(os.sched_getaffinity(0)))
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SCALE, RATIO = (0.35, 1.0), (3 / 4, 4 / 3)


def crop_box(width, height):
    for _ in range(10):
        area = width * height * random.uniform(*SCALE)
        ratio = math.exp(random.uniform(math.log(RATIO[0]), math.log(RATIO[1])))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            x, y = random.randint(0, width - w), random.randint(0, height - h)
            return x, y, x + w, y + h
    side = min(width, height)
    x, y = (width - side) // 2, (height - side) // 2
    return x, y, x + side, y + side


def numbers(image):
    x = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(224, 224, 3).permute(2, 0, 1)
    x = x.contiguous().float().div(255)
    return x.sub_(torch.tensor(MEAN).view(3, 1, 1)).div_(torch.tensor(STD).view(3, 1, 1))


def train_transform(image):
    image = image.crop(crop_box(*image.size)).resize((224, 224), Image.BILINEAR)
    return numbers(image.transpose(Image.FLIP_LEFT_RIGHT) if random.random() < 0.5 else image)


def validation_transform(image):
    factor = 256 / min(image.size)
    image = image.resize(tuple(round(side * factor) for side in image.size), Image.BILINEAR)
    x, y = ((side - 224) // 2 for side in image.size)
    return numbers(image.crop((x, y, x + 224, y + 224)))


def plain_folder(path, transform):
    classes = sorted(entry.name for entry in os.scandir(path) if entry.is_dir())
    files = [(os.path.join(path, c, f), i) for i, c in enumerate(classes) for f in sorted(os.listdir(f"{path}/{c}"))]

    class Folder(torch.utils.data.Dataset):
        def __len__(self):
            return len(files)

        def __getitem__(self, index):
            file, label = files[index]
            with Image.open(file) as image:
                return transform(image.convert("RGB")), label

    return Folder()


try:
    from torchvision import datasets, transforms as T

    normalize = T.Normalize(MEAN, STD)
    crop = T.RandomResizedCrop(224, scale=SCALE)
    training = datasets.ImageFolder(f"{folder}/train", T.Compose([crop, T.RandomHorizontalFlip(), T.ToTensor(), normalize]))
    validation = datasets.ImageFolder(
        f"{folder}/val", T.Compose([T.Resize(256), T.CenterCrop(224), T.ToTensor(), normalize])
    )
except (ImportError, RuntimeError):
    training = plain_folder(f"{folder}/train", train_transform)
    validation = plain_folder(f"{folder}/val", validation_transform)

torch.Tensor.view = torch.Tensor.reshape
model = network(name).to(memory_format=torch.channels_last)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
options = {"batch_size": batch, "num_workers": workers}
loss_sum = correct = images = 0
model.train()
for x, labels in torch.utils.data.DataLoader(training, shuffle=True, **options):
    loss = training_loss(name, model(x.to(memory_format=torch.channels_last)), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    loss_sum += loss.item() * len(labels)
    images += len(labels)
trained = time.perf_counter()
model.eval()
total = 0
with torch.inference_mode():
    for x, labels in torch.utils.data.DataLoader(validation, **options):
        y = model(x.to(memory_format=torch.channels_last))
        y = y[0] if isinstance(y, tuple) else y
        correct += (y.argmax(1) == labels).sum().item()
        total += len(labels)
end = time.perf_counter()
print(
    json.dumps(
        {
            "training": trained - start,
            "validation": end - trained,
            "images": [images, total],
            "loss": loss_sum / images,
            "top1": correct / total,
            "version": torch.__version__,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
    )
)
