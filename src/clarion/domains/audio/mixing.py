"""Clean sounds made noisy, each by random numbers of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.domains.audio.coloured import coloured, shaped
from clarion.domains.audio.noise import NOISY_DBFS, Noise
from clarion.domains.audio.room import convolved, low_passed, room_response

DIRECT_DB = (0.0, 10.0)
"""Energy of the direct sound over that of the room, at the least and at the most."""

OWN = "folder"
COLOURS = {"white": 0.0, "pink": 1.0}


@dataclass(frozen=True, eq=False)
class Mixer:
    """Makes sounds of a set noisy.

    Args:
        noise: which noise, and how loud.
        sample_rate_hz: of the sounds.
        level_dbfs: root mean square of the whole recordings that the sounds are pieces of.
        voices: (n,) int64, who speaks in each sound of the set: a babble takes others.
        recordings: of one's own noise, each (time,), at that rate.

    Raises:
        DataError: for babble, if all sounds are of one voice.
    """

    noise: Noise
    sample_rate_hz: int
    level_dbfs: float
    voices: Tensor
    recordings: tuple[Tensor, ...] = ()

    def __post_init__(self) -> None:
        if "babble" in self.noise.kinds and len(self.voices.unique()) < 2:
            raise DataError(
                "Babble is mixed of others, and all sounds are of one speaker, or there is only "
                "one. Leave babble out of the kinds of noise."
            )

    def noisy(self, sounds: Tensor, indices: Tensor, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Some of the sounds, and the same with noise.

        Noise is as loud as the whole recording asks for, and so is the factor, of both, by which
        the recording with its noise would come to `NOISY_DBFS`: a pause is noise alone, and as
        quiet as it is where a recording is made clear.

        Args:
            sounds: (n, num_samples), the whole set.
            indices: (batch,) which of them.
            seeds: of the randomness of each.

        Returns:
            Clean and noisy, each (batch, num_samples).
        """
        pairs = [
            self._pair(sounds, int(index), torch.Generator().manual_seed(seed))
            for index, seed in zip(indices, seeds, strict=True)
        ]
        clean, noisy = (torch.stack(part) for part in zip(*pairs, strict=True))
        return clean, noisy

    def to(self, device: torch.device | str) -> Mixer:
        """The same on another device."""
        recordings = tuple(recording.to(device) for recording in self.recordings)
        return replace(self, recordings=recordings)

    def _pair(
        self, sounds: Tensor, index: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        clean = sounds[index]
        noise = self._drawn(sounds, index, generator).to(clean)
        noise = noise * gain_to(noise, self.level_dbfs - uniform(self.noise.snr_db, generator))
        speech = clean
        if self.noise.t60_s is not None:
            t60_s, direct_db = uniform(self.noise.t60_s, generator), uniform(DIRECT_DB, generator)
            room = room_response(t60_s, direct_db, self.sample_rate_hz, generator)
            speech = convolved(clean, room)
        if self.noise.cut_hz is not None:
            cut_hz = uniform(self.noise.cut_hz, generator)
            speech = low_passed(speech, cut_hz, self.sample_rate_hz)
            noise = low_passed(noise, cut_hz, self.sample_rate_hz)
        loudness = float(root_mean_square(clean))
        kept = float(root_mean_square(speech)) / loudness if loudness > 0 else 1.0
        recording = math.hypot(kept * amplitude(self.level_dbfs), float(root_mean_square(noise)))
        gain = amplitude(NOISY_DBFS) / recording
        return clean * gain, (speech + noise) * gain

    def _drawn(self, sounds: Tensor, index: int, generator: torch.Generator) -> Tensor:
        """Noise of a random kind, (num_samples,)."""
        kinds = (*self.noise.kinds, *([OWN] if self.recordings else []))
        kind, num_samples = kinds[below(len(kinds), generator)], sounds.shape[1]
        if kind == "babble":
            return self._babble(sounds, index, generator)
        if kind == "shaped":
            return shaped(num_samples, self.sample_rate_hz, generator)
        if kind == OWN:
            recording = self.recordings[below(len(self.recordings), generator)]
            start = below(max(1, len(recording) - num_samples + 1), generator)
            repeats = -(-num_samples // len(recording))
            return recording.repeat(repeats)[start : start + num_samples]
        return coloured(COLOURS[kind], num_samples, self.sample_rate_hz, generator)

    def _babble(self, sounds: Tensor, index: int, generator: torch.Generator) -> Tensor:
        """Sounds of other voices, as loud as each other, each from a place of its own on."""
        others = (self.voices != self.voices[index]).nonzero()[:, 0]
        low, high = self.noise.voices
        count = min(len(others), low + below(high - low + 1, generator))
        chosen = others[torch.randperm(len(others), generator=generator)[:count]]
        mixed = torch.zeros_like(sounds[0])
        for other in chosen.tolist():
            voice = sounds[other]
            mixed += (voice * gain_to(voice, 0)).roll(below(len(voice), generator))
        return mixed


def gain_to(sound: Tensor, level_dbfs: float) -> float:
    """What brings a sound (time,) to a root mean square; 1 for silence."""
    now = float(root_mean_square(sound))
    return amplitude(level_dbfs) / now if now > 0 else 1.0


def amplitude(level_dbfs: float) -> float:
    """Root mean square of a level; 1 at 0 dBFS."""
    return 10 ** (level_dbfs / 20)


def root_mean_square(sound: Tensor) -> Tensor:
    """Of a sound (time,), as float64."""
    return sound.double().square().mean().sqrt()


def uniform(ends: tuple[float, float], generator: torch.Generator) -> float:
    """A number between two."""
    low, high = ends
    return low + (high - low) * float(torch.rand((), dtype=torch.float64, generator=generator))


def below(count: int, generator: torch.Generator) -> int:
    """A whole number from 0 to count - 1."""
    return int(torch.randint(count, (), generator=generator))
