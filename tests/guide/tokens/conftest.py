"""Lets the tests of this folder import `token_law`, which lies beside those of the samplers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "sample" / "tokens"))
