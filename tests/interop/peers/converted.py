"""In transformers' environment: a folder of Marian itself through transformers' own converter.

python converted.py FOLDER OUTPUT
"""

import sys
from pathlib import Path

from transformers.models.marian.convert_marian_to_pytorch import OpusState

state = OpusState(Path(sys.argv[1]))
state.tokenizer.save_pretrained(sys.argv[2])
state.load_marian_model().save_pretrained(sys.argv[2])
