"""In the environment of transformers 4.40, the last series with the converter of Marian's archives.

    python converter.py FOLDER OUTPUT

Writes what the converter makes of an archive's model.npz as a folder of transformers, in float32.
"""

import sys
from pathlib import Path

from transformers.models.marian.convert_marian_to_pytorch import OpusState

source, output = map(Path, sys.argv[1:])
state = OpusState(source)
state.tokenizer.save_pretrained(output)
state.load_marian_model().save_pretrained(output)
