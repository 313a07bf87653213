"""
Images classified one after the other by Pillow and ONNX Runtime, prepared as torchvision prepares them. Arguments: network.onnx and
files. Prints the images per second and the processor's milliseconds per image, both without what is done once.
"""

import sys
import time

try:
    import numpy as np
    import onnxruntime
    from PIL import Image, ImageOps
except ImportError as error:
    sys.exit(f"unsupported: {error}")

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def prepared(file):
    image = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    width, height = image.size
    size = (256, int(256 * height / width)) if width <= height else (int(256 * width / height), 256)
    image = image.resize(size, Image.BILINEAR)
    left, top = round((size[0] - 224) / 2), round((size[1] - 224) / 2)
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
    return ((pixels - MEAN) / STD).transpose(2, 0, 1)[None]


network, *files = sys.argv[1:]
session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
start, used = time.perf_counter(), time.process_time()
for file in files:
    scores = session.run(None, {name: prepared(file)})[0][0]
    best = np.argsort(-scores)[:5]
    if len(files) == 1:
        print(file, *best)
print(len(files) / (time.perf_counter() - start), (time.process_time() - used) / len(files) * 1000)
