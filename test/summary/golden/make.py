"""Writes torchinfo's own tables of the note's networks, which golden.test.ts compares ours with.

    git clone https://github.com/TylerYep/torchinfo && git -C torchinfo checkout 0283dca
    PYTHONPATH=torchinfo /usr/bin/python3 test/summary/golden/make.py ../shared/seed

The folder holds note_models.py, the note's networks; Python is Debian's, with PyTorch 1.13.
"""

import sys
from pathlib import Path

from torchinfo import summary

sys.path.insert(0, sys.argv[1])
import note_models

INPUTS = {"VGG16": (1, 3, 224, 224), "NiN": (1, 3, 32, 32), "GoogLeNet": (1, 3, 224, 224)}
KINDS = {
    "default": {},
    "columns_depth4": {
        "depth": 4,
        "col_names": ["input_size", "output_size", "num_params", "kernel_size", "mult_adds"],
        "row_settings": ["depth", "var_names"],
    },
}

for name, size in INPUTS.items():
    model = getattr(note_models, name)().eval()
    for kind, options in KINDS.items():
        table = str(summary(model, size, device="cpu", verbose=0, **options))
        (Path(__file__).parent / f"{name.lower()}_{kind}.txt").write_text(table + "\n")
