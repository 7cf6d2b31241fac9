"""Sounds by number, of one length and rate, kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from clarion.base.condition import Condition, ConditionSpec, FieldEntry
from clarion.base.sound import SoundCodec
from clarion.run.columns import Column, batch_of


@dataclass(frozen=True)
class SoundFacts:
    """What a sound was like before anything was done to it.

    Args:
        sample_rate_hz: samples a second.
        duration_s: its length.
        level_dbfs: its root mean square; minus infinity for digital silence.
        peak_dbfs: its loudest sample, likewise.
        is_clipped: whether a peak near full scale is flat.
        digest: equal for the same samples.
    """

    sample_rate_hz: int
    duration_s: float
    level_dbfs: float
    peak_dbfs: float
    is_clipped: bool
    digest: bytes


@dataclass(frozen=True, eq=False)
class SoundSet:
    """Sounds, what is known of them, and what a model is told of them that they make themselves.

    Args:
        waveforms: (n, num_samples) float32; full scale is 1, and shorter sounds end in zeros.
        sample_rate_hz: of all of them.
        conditions: name -> values for all sounds.
        facts: what each was like in its file.
        place: says where a sound comes from, by its number.
        unused: columns from which nothing is read.
        told: name -> what a model sees of the sound itself, such as its log-mel spectrogram.
    """

    waveforms: Tensor
    sample_rate_hz: int
    conditions: Mapping[str, Column]
    facts: tuple[SoundFacts, ...]
    place: Callable[[int], str]
    unused: tuple[str, ...] = ()
    told: Mapping[str, SoundCodec] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.waveforms)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.waveforms.shape[1:])

    @property
    def condition_spec(self) -> ConditionSpec:
        """What is known of the sounds, and told of them."""
        known = {name: column.entry for name, column in self.conditions.items()}
        return known | {name: FieldEntry.of_sound(seen) for name, seen in self.told.items()}

    def name(self, index: int) -> str:
        """Where sound `index` came from: a file, or a table and a row."""
        return self.place(index)

    def batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        """Sounds by number.

        Args:
            indices: (n,) int64, each in 0..len - 1, in any order, on any device.

        Returns:
            Waveforms (n, num_samples), and what is known and told of each.
        """
        waveforms = self.waveforms.index_select(0, indices.to(self.waveforms.device))
        known = batch_of(self.conditions, indices)
        told = {name: seen_as.encode(waveforms) for name, seen_as in self.told.items()}
        always = torch.ones(len(waveforms), dtype=torch.bool, device=waveforms.device)
        return waveforms, Condition(
            {**known.values, **told}, {**known.present, **dict.fromkeys(told, always)}
        )

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        return self.batch(indices)

    def to(self, device: torch.device | str) -> SoundSet:
        """The same set on another device."""
        return replace(
            self,
            waveforms=self.waveforms.to(device),
            conditions={name: column.to(device) for name, column in self.conditions.items()},
        )
