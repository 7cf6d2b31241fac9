"""A part of a sequence that is known, as it is asked for at the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clarion.base.errors import ClarionError
from clarion.guide.tokens.infill import Infill
from clarion.run.config import ModelConfig


def infilling(words: Sequence[str], model: ModelConfig, codec: Any) -> Infill:
    """Fill in the gaps of a template, and keep the rest of it.

    Args:
        words: the template, such as "MK{5}GG{}"; see `Infill.of`.
        model: whose samples these are.
        codec: its vocabulary.

    Raises:
        ClarionError: if the template does not fit the model's sequences.
    """
    if len(words) != 1:
        raise ClarionError(
            "--infill takes a sequence with gaps in one word, such as --infill 'In the "
            f"beginning{{}}'; got {' '.join(map(repr, words)) or 'none'}."
        )
    return Infill.of(words[0], codec, *model.shape)
