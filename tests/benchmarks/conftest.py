"""The benchmarks as modules, and sounds like speech for them, made by hand."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
RATE_HZ = 16_000


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports one of them."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


@pytest.fixture
def run_benchmark(
    benchmark: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """Runs one as from the command line."""

    def run(name: str, *words: str | Path) -> None:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, words)])
        benchmark(name).main()

    return run


def speechlike(seed: int, duration_s: float) -> np.ndarray:
    """A harmonic sound whose pitch glides and whose loudness comes in syllables."""
    t = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t + seed)) / RATE_HZ
    voice = sum(np.sin(k * phase) / k for k in range(1, 25))
    hiss = 1e-4 * np.random.default_rng(seed).standard_normal(len(t))
    return 0.1 * voice * np.clip(np.sin(2 * np.pi * 3 * t), 0, None) ** 0.5 + hiss


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """LibriSpeech's layout: two speakers, each with an utterance of 3.2 s."""
    for speaker in (1, 2):
        folder = tmp_path / "speech" / str(speaker) / "7"
        folder.mkdir(parents=True)
        soundfile.write(folder / f"{speaker}-7-0000.flac", speechlike(speaker, 3.2), RATE_HZ)
        (folder / f"{speaker}-7.trans.txt").write_text(f"{speaker}-7-0000 A WORD\n")
    return tmp_path / "speech"
