"""
Makes photographs of 2 to 12 megapixels out of the images of a folder, side by side, as few such files are at hand. Arguments: folder, where
to, how many.
"""

import os
import random
import sys
from pathlib import Path

from PIL import Image

SIZES = [(1792, 1120), (2464, 1680), (3360, 2464), (4032, 3024)]

folder, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
random.seed(0)
files = sorted(file for file in Path(folder).rglob("*") if file.suffix.lower() in (".jpg", ".jpeg"))
os.makedirs(f"{target}/photographs")
for number in range(count):
    photograph = Image.new("RGB", SIZES[number % len(SIZES)])
    x = y = below = 0
    while y < photograph.height:
        tile = Image.open(random.choice(files)).convert("RGB")
        photograph.paste(tile, (x, y))
        x, below = x + tile.width, max(below, y + tile.height)
        if x >= photograph.width:
            x, y = 0, below
    photograph.save(f"{target}/photographs/{number}.jpg", quality=90)
