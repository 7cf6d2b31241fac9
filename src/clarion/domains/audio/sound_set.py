"""Sounds by number, of one length and rate, kept in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from clarion.base.condition import Condition, ConditionSpec, FieldEntry
from clarion.base.sound import SoundCodec
from clarion.base.streams import mix_seed
from clarion.domains.audio.mixing import Mixer
from clarion.run.columns import Column, batch_of


@dataclass(frozen=True)
class SoundFacts:
    """What a sound was like before anything was done to it.

    Args:
        name: where it came from: a file, or a table and a row.
        sample_rate_hz: samples a second.
        duration_s: its length.
        level_dbfs: its root mean square; minus infinity for digital silence.
        peak_dbfs: its loudest sample, likewise.
        is_clipped: whether a peak near full scale is flat.
        digest: equal for the same samples.
    """

    name: str
    sample_rate_hz: int
    duration_s: float
    level_dbfs: float
    peak_dbfs: float
    is_clipped: bool
    digest: bytes


@dataclass(frozen=True, eq=False)
class SoundSet:
    """Sounds or pieces of them, what is known of them, and what a model is told of how they sound.

    Args:
        waveforms: (n, num_samples) float32; full scale is 1, and shorter sounds end in zeros.
        sample_rate_hz: of all of them.
        sounds: (n,) int64, of which sound each is a piece.
        starts: (n,) int64, the sample with which it begins there.
        conditions: name -> values for all sounds.
        facts: what each sound was like in its file.
        unused: columns from which nothing is read.
        told: name -> what a model sees of each piece as it is heard, such as its log-mel
            spectrogram.
        mixer: makes them noisy before they are heard; None leaves them as they are.
    """

    waveforms: Tensor
    sample_rate_hz: int
    sounds: Tensor
    starts: Tensor
    conditions: Mapping[str, Column]
    facts: tuple[SoundFacts, ...]
    unused: tuple[str, ...] = ()
    told: Mapping[str, SoundCodec] = field(default_factory=dict)
    mixer: Mixer | None = None

    def __len__(self) -> int:
        return len(self.waveforms)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.waveforms.shape[1:])

    @property
    def groups(self) -> Tensor:
        """(n,) int64: pieces of one sound belong together."""
        return self.sounds

    @property
    def condition_spec(self) -> ConditionSpec:
        """What is known of the sounds, and told of them."""
        known = {name: column.entry for name, column in self.conditions.items()}
        return known | {name: FieldEntry.of_sound(seen) for name, seen in self.told.items()}

    def name(self, index: int) -> str:
        """Where piece `index` came from: a file, or a table and a row, and when it begins there."""
        name, start = self.facts[int(self.sounds[index])].name, int(self.starts[index])
        return f"{name}, from {start / self.sample_rate_hz:.2f} s on" if start else name

    def batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        """Sounds by number; noise that is mixed in depends on the number alone.

        Args:
            indices: (n,) int64, each in 0..len - 1, in any order, on any device.

        Returns:
            Waveforms (n, num_samples), clean, and what is known and told of each.
        """
        return self._batch(indices, [mix_seed("noise", i) for i in indices.tolist()])

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        """The same with fresh noise."""
        return self._batch(indices, torch.randint(2**63 - 1, (len(indices),)).tolist())

    def _batch(self, indices: Tensor, seeds: Sequence[int]) -> tuple[Tensor, Condition]:
        if self.mixer is None:
            waveforms = heard = self.waveforms.index_select(0, indices.to(self.waveforms.device))
        else:
            waveforms, heard = self.mixer.noisy(self.waveforms, indices, seeds)
        known = batch_of(self.conditions, self.sounds[indices.to(self.sounds.device)])
        told = {name: seen_as.encode(heard) for name, seen_as in self.told.items()}
        always = torch.ones(len(waveforms), dtype=torch.bool, device=waveforms.device)
        return waveforms, Condition(
            {**known.values, **told}, {**known.present, **dict.fromkeys(told, always)}
        )

    def to(self, device: torch.device | str) -> SoundSet:
        """The same set on another device."""
        return replace(
            self,
            waveforms=self.waveforms.to(device),
            conditions={name: column.to(device) for name, column in self.conditions.items()},
            mixer=None if self.mixer is None else self.mixer.to(device),
        )
