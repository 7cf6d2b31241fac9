"""Small files of sound, made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

soundfile = pytest.importorskip("soundfile")

RATE_HZ = 8000

WriteTone = Callable[..., Path]


def tone(frequency_hz: float, duration_s: float, rate_hz: int, noise: float) -> np.ndarray:
    t = np.arange(round(rate_hz * duration_s)) / rate_hz
    noises = noise * np.random.default_rng(round(frequency_hz)).standard_normal(len(t))
    return (0.3 * np.sin(2 * np.pi * frequency_hz * t) + noises) * np.hanning(len(t))


@pytest.fixture
def write_tone(tmp_path: Path) -> WriteTone:
    """Writes a tone to a file below the test's folder."""

    def write(
        name: str,
        frequency_hz: float = 440,
        duration_s: float = 0.2,
        rate_hz: int = RATE_HZ,
        noise: float = 0.01,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone(frequency_hz, duration_s, rate_hz, noise), rate_hz)
        return path

    return write


@pytest.fixture
def spoken(write_tone: WriteTone, tmp_path: Path) -> Path:
    """A folder of files called DIGIT_SPEAKER_INDEX.wav: 2 digits, 2 speakers, 4 recordings."""
    for digit in range(2):
        for number, speaker in enumerate(("ann", "bob")):
            for index in range(4):
                pitch_hz = 300 + 400 * digit + 90 * number + 7 * index
                write_tone(f"spoken/{digit}_{speaker}_{index}.wav", pitch_hz, 0.15 + 0.01 * index)
    return tmp_path / "spoken"
