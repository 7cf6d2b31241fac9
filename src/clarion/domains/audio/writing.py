"""Write samples as people listen to them, with pictures of their spectra."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.sound import SoundCodec
from clarion.domains.audio.sound_file import SUFFIXES, Sound, needs_audio, write_sound
from clarion.domains.audio.spectrogram_picture import draw_spectrograms
from clarion.guide.rule import Guidance
from clarion.run.config import ModelConfig

PAUSE_S = 0.2
PICTURE = ".png"
PICTURES_NAME = "spectrograms.png"


def write_samples(waveforms: Tensor, path: Path, indices: Iterable[int], codec: SoundCodec) -> Path:
    """Write samples, by the path.

    A file of sound holds all of them, one after another with pauses between, and beside it lies a
    picture of the same name. A folder holds a file for each, `<index, six digits>.wav`, and
    `spectrograms.png`. A .png file is the picture alone.

    Args:
        waveforms: (n, num_samples).
        path: where to.
        indices: the number of each sample.
        codec: the model's, which knows the rate.

    Raises:
        ClarionError: for another ending.
    """
    check_out(path, codec)
    numbers = list(indices)
    rate_hz = codec.sample_rate_hz
    sounds = [Sound(row.double().cpu().numpy(), rate_hz) for row in waveforms.detach()]
    titles = [f"{number:06d}" for number in numbers]
    ending = path.suffix.lower()
    if ending == PICTURE:
        return draw_spectrograms(sounds, path, titles)
    if ending in SUFFIXES:
        pause = np.zeros(round(PAUSE_S * rate_hz))
        parts = [part for sound in sounds for part in (pause, sound.samples)][1:]
        write_sound(path, Sound(np.concatenate(parts), rate_hz))
        draw_spectrograms(sounds, path.with_suffix(PICTURE), titles)
        return path
    for sound, title in zip(sounds, titles, strict=True):
        write_sound(path / f"{title}.wav", sound)
    draw_spectrograms(sounds, path / PICTURES_NAME, titles)
    return path


def check_out(path: Path, codec: SoundCodec) -> None:
    """Refuse a path that samples cannot be written to, before they are drawn.

    Raises:
        ClarionError: for an unknown ending, or without the package that writes sound.
    """
    known = ("", *SUFFIXES, PICTURE)
    if path.suffix.lower() not in known:
        raise ClarionError(
            f"out must be a folder, or end in one of {' '.join(known[1:])} (or .npz for numbers), "
            f"got {str(path)!r}."
        )
    if path.suffix.lower() != PICTURE:
        try:
            import soundfile  # noqa: F401 - only whether it is there
        except ImportError:
            raise needs_audio("Writing sound", "soundfile") from None


def refuse_to_read(path: Path | str, channels: int, sides: Sequence[int] | None = None) -> Tensor:
    """Say that models of sound are told nothing by files yet."""
    raise ClarionError(f"A model of sounds takes no masks and no measurements; got {path}.")


def refuse_known(words: Sequence[str], model: ModelConfig, codec: SoundCodec) -> Guidance:
    """Say that parts of a sound cannot be kept yet."""
    raise ClarionError("--inpaint is for pictures and sequences; this model draws sounds.")
