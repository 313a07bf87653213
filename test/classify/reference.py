"""What torchvision makes of pictures: its GoogLeNet with weights drawn here, its own preprocessing, its five best classes.

Arguments: the folder to write weights.pth and prepared.bin into. Standard input: the files of the pictures as JSON. Prints
the five best of each as [[label, probability], …].
"""

import json
import os
import sys

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import torch
import torch.nn as nn
import torchvision
from PIL import Image
from torchvision.transforms._presets import ImageClassification

folder, files = sys.argv[1], json.load(sys.stdin)
torch.manual_seed(0)
model = torchvision.models.googlenet(init_weights=False)
for module in model.modules():
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if isinstance(module, nn.BatchNorm2d):
        module.momentum = None  # statistics of all that is seen

prepare = ImageClassification(crop_size=224)
images = torch.stack([prepare(Image.open(file).convert("RGB")) for file in files])
with torch.no_grad():
    model.train()
    for batch in images.split(16):
        model(batch)
    model.eval()
    # as sure of itself as a trained network: logits that differ by a few units
    model.fc.weight *= 3 / model(images[:16]).std()
    probabilities = torch.cat([model(batch) for batch in images.split(16)]).softmax(1)
torch.save(model.state_dict(), os.path.join(folder, "weights.pth"))
images.numpy().tofile(os.path.join(folder, "prepared.bin"))
values, labels = probabilities.topk(5)
print(json.dumps([list(zip(*pair)) for pair in zip(labels.tolist(), values.tolist())]))
