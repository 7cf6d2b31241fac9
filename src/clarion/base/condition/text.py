"""A text, as the vectors that an encoder gives its tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clarion.base.condition.entry import ConditionEntry, check_count, check_sizes
from clarion.base.errors import ClarionError
from clarion.base.text import TEXT_ENCODERS, encode_texts


@dataclass(frozen=True)
class TextEntry(ConditionEntry):
    """A text of up to `max_tokens` tokens; the empty one is a value, and not the same as absent.

    Args:
        encoder: "wordllama" or "transformers:NAME", see `base.text`.
        max_tokens: longest text.
        size: of the vectors of this encoder: 256 for wordllama.
    """

    encoder: str = "wordllama"
    max_tokens: int = 32
    size: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, "max_tokens", "size")
        TEXT_ENCODERS[self.encoder.partition(":")[0]]  # an unknown name is refused here

    @property
    def max_length(self) -> int:
        return self.max_tokens

    def encode(self, name: str, values: Any, n: int) -> Tensor:
        """A text, or a list of n, as an (n, max_tokens, size) float32 tensor padded with zeros."""
        texts = [values] * n if isinstance(values, str) else values
        if not isinstance(texts, list | tuple) or not all(isinstance(t, str) for t in texts):
            raise ClarionError(f"Condition {name!r} must be a text, or texts, got {values!r}.")
        check_count(name, len(texts), n)
        try:
            encoded = encode_texts(self.encoder, texts, self.max_tokens)
        except ClarionError as error:
            raise ClarionError(f"Condition {name!r}: {error}") from error
        if encoded.shape[2] != self.size:
            raise ClarionError(
                f"Condition {name!r} has vectors of size {self.size}, but {self.encoder} gives "
                f"{encoded.shape[2]}."
            )
        return encoded

    def absent(self, n: int) -> Tensor:
        return torch.zeros(n, self.max_tokens, self.size)
