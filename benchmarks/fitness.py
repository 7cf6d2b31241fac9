"""The networks of protein fitness that GGS published: an oracle, and predictors to steer by.

One-hot letters, a convolution of five, a linear map and ReLU in each position, the largest over the
positions, a linear map. Source: Kirjner et al. 2024, arXiv 2307.00494; the weights are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

AMINO_ACIDS = "ARNDCQEGHILKMFPSTWYV"
RANGES = {"aav": (0.0, 19.5365), "gfp": (1.2834, 4.1231)}
"""Smallest and largest fitness of the whole measured data, by which it is normalised."""


class Fitness:
    """Normalised fitness of proteins.

    Args:
        weights: file of the network, .safetensors.
        family: "aav" or "gfp".
    """

    __name__ = "fitness"

    def __init__(self, weights: Path | str, family: str) -> None:
        self.weights = load_file(weights)
        self.low, self.high = RANGES[family]

    def __call__(self, vectors: Tensor) -> Tensor:
        """Vectors of one 1, (n, length, 20) -> (n,)."""
        w = self.weights
        h = F.conv1d(vectors.mT, w["encoder.weight"], w["encoder.bias"]).mT
        h = F.linear(h, w["embedding.layer.weight"], w["embedding.layer.bias"]).relu()
        out = F.linear(h.amax(1), w["decoder.weight"], w["decoder.bias"])[:, 0]
        return (out - self.low) / (self.high - self.low)

    @torch.no_grad()
    def of(self, texts: Sequence[str]) -> list[float]:
        """The same of sequences."""
        numbers = torch.tensor([[AMINO_ACIDS.index(letter) for letter in text] for text in texts])
        parts = F.one_hot(numbers, 20).float().split(128)
        return torch.cat([self(part) for part in parts]).tolist()
