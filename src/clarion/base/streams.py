"""Random numbers that belong to a sample, not to a batch.

Sample number `index` of seed `seed` owns one stream. What it draws depends on (seed, index) and on
how much was drawn before, never on which other samples share its batch, on the device, or on the
precision of the model: numbers are drawn on the CPU, in float32 but for `fine_uniform`, and moved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import torch
from torch import Tensor


def mix_seed(*parts: int | str) -> int:
    """Hash any numbers and words to one 63-bit seed; different parts give unrelated seeds.

    Example:
        >>> mix_seed(5, 17) == mix_seed(5, 17), mix_seed(5, 17) == mix_seed(51, 7)
        (True, False)
    """
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


class SampleStreams:
    """One random stream for each sample of a batch.

    Args:
        seed: seed of the whole set of samples.
        indices: the number of each sample within that set; the batch has as many rows.
    """

    def __init__(self, seed: int, indices: Iterable[int]) -> None:
        self._generators = [
            torch.Generator().manual_seed(mix_seed(seed, index)) for index in indices
        ]

    def __len__(self) -> int:
        return len(self._generators)

    def normal(
        self,
        shape: tuple[int, ...],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Draw standard normal numbers, (batch, *shape): row i comes from stream i alone."""
        return self._draw(Tensor.normal_, shape, device, dtype)

    def uniform(
        self,
        shape: tuple[int, ...],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Draw uniform numbers in [0, 1), (batch, *shape): row i comes from stream i alone.

        In half precision the largest of them round to 1.
        """
        return self._draw(Tensor.uniform_, shape, device, dtype)

    def fine_uniform(self, shape: tuple[int, ...], *, device: torch.device | str = "cpu") -> Tensor:
        """Draw uniform numbers in [0, 1) of 53 binary digits, (batch, *shape) float64.

        For choices in which an event of a probability below 2^-24 has to happen that seldom.
        """
        return self._draw(Tensor.uniform_, shape, device, torch.float64, torch.float64)

    def _draw(
        self,
        fill: Callable[..., Tensor],
        shape: tuple[int, ...],
        device: torch.device | str,
        dtype: torch.dtype,
        drawn_in: torch.dtype = torch.float32,
    ) -> Tensor:
        # From pinned memory the copy to an accelerator does not make the host wait.
        is_accelerated = torch.device(device).type == "cuda"
        numbers = torch.empty(len(self), *shape, dtype=drawn_in, pin_memory=is_accelerated)
        for row, generator in zip(numbers, self._generators, strict=True):
            fill(row, generator=generator)
        return numbers.to(device=device, dtype=dtype, non_blocking=is_accelerated)
