"""Embeddings of noise level and conditions into one vector a sample."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from clarion.base.condition import (
    ClassEntry,
    Condition,
    ConditionEntry,
    ConditionSpec,
    FieldEntry,
    TagsEntry,
    VectorEntry,
)
from clarion.base.errors import ClarionError
from clarion.nets.context import SEQUENCES, PooledTokens


class NoiseEmbedding(nn.Module):
    """Random Fourier features of the noise level, then a two-layer perceptron.

    features = sqrt(2) cos(2 pi (frequency noise_level + phase)), frequency ~ N(0, 1).
    Source: Tancik et al. 2020, arXiv 2006.10739; in the form of Karras et al. 2024, arXiv
    2312.02696, equation 75.

    Args:
        width: size of the embedding.
        num_frequencies: number of features.
    """

    frequencies: Tensor
    phases: Tensor

    def __init__(self, width: int, num_frequencies: int = 64) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.randn(num_frequencies))
        self.register_buffer("phases", torch.rand(num_frequencies))
        self.mlp = nn.Sequential(
            nn.Linear(num_frequencies, width), nn.SiLU(), nn.Linear(width, width)
        )

    def forward(self, noise_level: Tensor) -> Tensor:
        """(batch,) -> (batch, width)."""
        # At least float32: in fewer digits the phase of a high frequency would be lost.
        exact = torch.promote_types(self.phases.dtype, torch.float32)
        angle = noise_level[:, None].to(exact) * self.frequencies + self.phases
        return self.mlp(math.sqrt(2) * torch.cos(2 * math.pi * angle).to(self.phases.dtype))


class ConditionEmbedding(nn.Module):
    """The sum of the embeddings of what a model can be conditioned on.

    Where a value is absent, a learned vector of its own stands in for it. A sequence counts as the
    mean of its tokens here; networks that attend take it as a `ContextEmbedding` in place of this.

    Args:
        spec: name -> entry.
        width: size of the embedding.
    """

    def __init__(self, spec: ConditionSpec, width: int) -> None:
        super().__init__()
        check_names(spec)
        for name, entry in spec.items():
            if isinstance(entry, FieldEntry):
                raise ClarionError(
                    f"Condition {name!r} is a field, which this network cannot take: its samples "
                    "have no sides. Use a U-Net, or make it a vector."
                )
        self.embed = nn.ModuleDict({name: _embedder(entry, width) for name, entry in spec.items()})
        self.absent = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(width) * 0.02) for name in spec}
        )

    def forward(self, condition: Condition | None) -> Tensor | float:
        """Embedding (batch, width); without a condition, that of "all absent", (width,)."""
        total: Tensor | float = 0.0
        for name, embed in self.embed.items():
            absent = self.absent[name]
            if condition is None:
                total = total + absent
            else:
                present = condition.present[name][:, None]
                value = condition.values[name]
                value = value.to(absent.dtype) if value.is_floating_point() else value
                total = total + torch.where(present, embed(value), absent)
        return total


def check_names(spec: ConditionSpec) -> None:
    """Refuse names under which torch cannot store weights."""
    taken = {*dir(nn.ModuleDict()), *dir(nn.ParameterDict())}
    for name in spec:
        if not name or "." in name or name in taken:
            raise ClarionError(
                f"A condition cannot be called {name!r}, under which torch stores no weights; "
                f"call it {name.replace('.', '_') + '_value'!r}, say."
            )


def _embedder(entry: ConditionEntry, width: int) -> nn.Module:
    if isinstance(entry, ClassEntry):
        return nn.Embedding(entry.num_classes, width)
    if isinstance(entry, VectorEntry):
        return _perceptron(entry.size, width)
    if isinstance(entry, TagsEntry):
        return _perceptron(entry.num_tags, width)
    if isinstance(entry, SEQUENCES):
        return PooledTokens(entry, width)
    raise TypeError(f"There is no embedding for a {type(entry).__name__}.")


def _perceptron(size: int, width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(size, width), nn.SiLU(), nn.Linear(width, width))
