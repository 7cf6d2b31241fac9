"""Texts: kept as the numbers of their tokens, and encoded batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from clarion.base.condition import TextEntry
from clarion.base.errors import ClarionError
from clarion.base.text import encode_tokens, open_text_encoder
from clarion.run.columns.column import Column
from clarion.run.columns.reader import BadValueError, ColumnReader, is_missing, shown

NUM_SHOWN = 3


@dataclass(frozen=True, eq=False)
class TokenColumn(Column):
    """Texts as tokens: some bytes each, where their vectors would be some kilobytes.

    Args:
        tokens: of all texts, one after the other, int32.
        starts: (n + 1,) int64, where each begins; one that is absent has none.
        device: where the batches go.
    """

    entry: TextEntry
    tokens: Tensor
    starts: Tensor
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def batch(self, indices: Tensor) -> Tensor:
        texts = [
            tuple(self.tokens[self.starts[i] : self.starts[i + 1]].tolist())
            for i in indices.tolist()
        ]
        encoded = encode_tokens(self.entry.encoder, texts, self.entry.max_tokens)
        return encoded.to(self.device)

    def to(self, device: torch.device | str) -> Self:
        return replace(super().to(device), device=torch.device(device))


@dataclass(frozen=True)
class TextColumn(ColumnReader):
    """One text a cell, of at most `max_tokens` tokens of the encoder; none is ever cut off.

    Args:
        max_tokens: longest text.
        encoder: see `base.text`.
    """

    kind = "text"
    entry_type = TextEntry

    max_tokens: int = field(default=TextEntry.max_tokens, kw_only=True)
    encoder: str = field(default=TextEntry.encoder, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        TextEntry(self.encoder, self.max_tokens)  # its own errors, where the user gives it

    def parse(self, cells: tuple[Any, ...]) -> str | None:
        (cell,) = cells
        if is_missing(cell):
            return None
        if not isinstance(cell, str):
            raise ClarionError(f"it must be a text, got {shown(cell)}.")
        return cell

    def fit(self, name: str, values: Sequence[str]) -> TextEntry:
        return TextEntry(self.encoder, self.max_tokens, open_text_encoder(self.encoder).size)

    def encode(self, entry: TextEntry, name: str, values: Sequence[str]) -> Any:
        """The tokens of each text."""
        encoder = open_text_encoder(entry.encoder)
        found = [encoder.tokens(value) for value in values]
        longest = max(map(len, found), default=0)
        for i, tokens in enumerate(found):
            if len(tokens) > entry.max_tokens:
                raise BadValueError(
                    i,
                    f"the text has {len(tokens)} tokens of {entry.encoder}, where "
                    f"{entry.max_tokens} are allowed: {values[i][:60]!r}. The longest has "
                    f"{longest}; allow for it with {name}=text:max_tokens={longest}.",
                )
        return found

    def describe(self, entry: TextEntry, values: Sequence[str]) -> dict[str, Any]:
        return {"distinct": len(set(values)), "examples": list(dict.fromkeys(values))[:NUM_SHOWN]}

    def keep(
        self, entry: TextEntry, present: Tensor, encoded: Any, summary: Mapping[str, Any]
    ) -> TokenColumn:
        lengths = torch.zeros(len(present), dtype=torch.int64)
        lengths[present] = torch.tensor([len(tokens) for tokens in encoded], dtype=torch.int64)
        starts = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
        flat = torch.tensor([t for tokens in encoded for t in tokens], dtype=torch.int32)
        summary = dict(summary) | {"longest": int(lengths.max()), "max_tokens": entry.max_tokens}
        return TokenColumn(entry, present, summary, flat, starts)
