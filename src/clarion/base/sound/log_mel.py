"""Levels in the bands of the mel scale: small, but without phases, which are found again."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, Self

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.sound.mel import mel_filters
from clarion.base.sound.phase import with_phases
from clarion.base.sound.spectrogram import Spectrogram

BAND_ROUNDS = 100
PHASE_ROUNDS = 60

LEAST_STD = 0.1
"""Deviation in dB below which a band is empty, such as those above what a telephone transmits."""


@dataclass(frozen=True)
class LogMel(Spectrogram):
    """x = (10 log10 max(M |X|^2, floor) - mean) / std in each mel band.

    Model units are (batch, 1, bands, frames), of mean 0 and deviation 1 in each band. Back again,
    the powers are those of least divergence that are not negative, and phases are found to them;
    what comes out sounds like what came in, and is not the same.

    Args:
        num_bands: of the mel scale, each with at least one bin of the transform.
        floor_dbfs: level of a sine below which there is silence.
        mean: of each band, in dB; () before it is fitted.
        std: of each band, in dB; 1 of an empty one.
    """

    called: ClassVar[str] = "log-mel spectrogram"

    num_bands: int = 64
    floor_dbfs: float = -70.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_bands < 1:
            raise ClarionError(f"num_bands must be at least 1, got {self.num_bands}.")
        if not self.floor_dbfs < 0:
            raise ClarionError(f"floor_dbfs must be below 0, got {self.floor_dbfs}.")
        if {len(self.mean), len(self.std)} - {0 if not self.mean else self.num_bands}:
            raise ClarionError(
                f"mean and std must have one number for each of {self.num_bands} bands, got "
                f"{len(self.mean)} and {len(self.std)}."
            )
        if not all(map(math.isfinite, self.mean)) or not all(0 < s < math.inf for s in self.std):
            raise ClarionError("mean must be finite, and std above 0, in every band.")
        empty = int((_filters(self).sum(1) == 0).sum())
        if empty:
            raise ClarionError(
                f"{empty} of {self.num_bands} mel bands are narrower than a bin of "
                f"{self.sample_rate_hz / self.window_samples:.1f} Hz; set num_bands lower, or "
                "window_samples higher."
            )

    @property
    def num_rows(self) -> tuple[int, int]:
        return (1, self.num_bands)

    def _analyse(self, waveforms: Tensor) -> Tensor:
        return self.normalised(self.levels_db(waveforms))[:, None]

    def normalised(self, levels_db: Tensor) -> Tensor:
        """Levels in dB, (batch, bands, frames), in model units."""
        mean, std = self._affine(levels_db)
        return (levels_db - mean) / std

    def _synthesise(self, x0: Tensor) -> Tensor:
        mean, std = self._affine(x0)
        bands = 10 ** ((x0[:, 0] * std + mean) / 10)
        powers = _spread(bands, _filters(self).to(x0))
        return with_phases(powers.sqrt(), self.stft, self.num_samples, PHASE_ROUNDS)

    def fitted(self, batches: Iterable[Tensor]) -> Self:
        total = squares = torch.zeros(self.num_bands, 1, dtype=torch.float64)
        count = 0
        for batch in batches:
            levels = self.levels_db(batch).double().cpu()
            total = total + levels.sum((0, 2))[:, None]
            squares = squares + levels.square().sum((0, 2))[:, None]
            count += levels.shape[0] * levels.shape[2]
        mean = total / max(count, 1)
        std = (squares / max(count, 1) - mean.square()).clamp_min(0).sqrt()
        if not (std > LEAST_STD).any():
            raise ClarionError(
                f"All sounds are silent (below {self.floor_dbfs:g} dBFS), so there is nothing to "
                "learn; check the data, or lower floor_dbfs."
            )
        std = torch.where(std > LEAST_STD, std, torch.ones_like(std))
        return replace(self, mean=tuple(mean[:, 0].tolist()), std=tuple(std[:, 0].tolist()))

    def levels_db(self, waveforms: Tensor) -> Tensor:
        """10 log10 max(M |X|^2, floor) of waveforms of any length: (batch, bands, frames)."""
        filters = _filters(self).to(waveforms)
        bands = filters @ self.stft.analyse(waveforms).abs().square()
        floor = 10 ** (self.floor_dbfs / 10) * filters.amax(1, keepdim=True)
        return 10 * torch.maximum(bands, floor).log10()

    def _affine(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation as (bands, 1)."""
        if not self.mean:
            raise ClarionError("The log-mel spectrogram must be fitted before it is used.")
        return like.new_tensor(self.mean)[:, None], like.new_tensor(self.std)[:, None]


def _spread(bands: Tensor, filters: Tensor) -> Tensor:
    """Powers P >= 0 of bins, (batch, bins, frames), with M P nearly the powers of bands.

    P <- P * M^T (bands / M P) / M^T 1, which never increases their divergence.

    Source: Lee & Seung 2001, Algorithms for non-negative matrix factorization, theorem 2.
    """
    weight = filters.sum(0)[:, None]
    reached = weight > 0
    weight = torch.where(reached, weight, torch.ones_like(weight))
    powers = (filters.T @ bands) / weight**2
    for _ in range(BAND_ROUNDS):
        powers = powers * (filters.T @ (bands / (filters @ powers))) / weight
    return torch.where(reached, powers, torch.zeros_like(powers))


@lru_cache(maxsize=16)
def _filters_of(sample_rate_hz: int, window_samples: int, num_bands: int) -> Tensor:
    return mel_filters(sample_rate_hz, window_samples, num_bands)


def _filters(codec: LogMel) -> Tensor:
    return _filters_of(codec.sample_rate_hz, codec.window_samples, codec.num_bands)
