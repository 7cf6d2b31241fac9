"""Sequences as tokens that a network attends to.

Source: Saharia et al. 2022, arXiv 2205.11487, section 2.4 and appendix D.3.1: attention layers take
the tokens as further keys and values beside those of the positions.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.base.condition import (
    PADDING,
    Condition,
    ConditionSpec,
    SequenceEntry,
    TextEntry,
)

Context: TypeAlias = tuple[Tensor, Tensor]
"""Tokens (batch, length, width), and which of them there are, (batch, length) bool."""

SEQUENCES = (SequenceEntry, TextEntry)
"""The kinds of conditions that become tokens."""


class TokenEmbedding(nn.Module):
    """Each token of a padded sequence, plus a learned vector for its place."""

    def __init__(self, entry: SequenceEntry | TextEntry, width: int) -> None:
        super().__init__()
        if isinstance(entry, SequenceEntry) and entry.num_tokens:
            self.embed = nn.Embedding(entry.num_tokens, width)
        else:
            self.embed = nn.Linear(entry.size, width)
        self.places = nn.Parameter(torch.randn(entry.max_length, width) * 0.02)

    def forward(self, values: Tensor) -> Context:
        """(batch, length) tokens or (batch, length, size) vectors."""
        if values.ndim == 2:
            return self.embed(values.clamp(min=0)) + self.places, values != PADDING
        return self.embed(values.to(self.places.dtype)) + self.places, (values != 0).any(-1)


class PooledTokens(nn.Module):
    """W mean(silu(token)) over the tokens there are: a sequence as one vector."""

    def __init__(self, entry: SequenceEntry | TextEntry, width: int) -> None:
        super().__init__()
        self.tokens = TokenEmbedding(entry, width)
        self.linear = nn.Linear(width, width)

    def forward(self, values: Tensor) -> Tensor:
        """(batch, length, ...) -> (batch, width)."""
        tokens, is_there = self.tokens(values)
        total = torch.where(is_there[..., None], F.silu(tokens), 0.0).sum(1)
        return self.linear(total / is_there.sum(1, keepdim=True).clamp(min=1))


class ContextEmbedding(nn.Module):
    """The tokens of all sequences, one after the other.

    In place of an absent sequence stands one learned token of its own.

    Args:
        spec: name -> entry, sequences only.
        width: size of each token.
    """

    def __init__(self, spec: ConditionSpec, width: int) -> None:
        super().__init__()
        self.embed = nn.ModuleDict()
        for name, entry in spec.items():
            assert isinstance(entry, SEQUENCES), f"{name} is no sequence"
            self.embed[name] = TokenEmbedding(entry, width)
        self.absent = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(width) * 0.02) for name in spec}
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, condition: Condition | None, batch: int) -> Context:
        """The context of `batch` samples; without a condition, that of "all absent"."""
        tokens, is_there = [], []
        for name, embed in self.embed.items():
            absent = self.absent[name].expand(batch, 1, -1)
            present = torch.zeros(batch, 1, dtype=torch.bool, device=absent.device)
            if condition is not None:
                present = condition.present[name][:, None]
                embedded, known = embed(condition.values[name])
                tokens.append(embedded)
                is_there.append(known & present)
            tokens.append(absent)
            is_there.append(~present)
        return self.norm(torch.cat(tokens, 1)), torch.cat(is_there, 1)
