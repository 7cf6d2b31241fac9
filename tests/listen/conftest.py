"""Short clips made here, and studies of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clarion.listen.study import Study

RATE_HZ = 16_000
DURATION_S = 0.45
ITEMS = ("a", "b", "c", "d")
NOISE = {"clean": 0.0, "noisy": 0.2, "ours": 0.02, "other": 0.08}


def _write_clip(path: Path, samples: Any, rate_hz: int = RATE_HZ, subtype: str = "FLOAT") -> Path:
    soundfile = pytest.importorskip("soundfile")
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.asarray(samples), rate_hz, subtype)
    return path


def _tone(item: str, system: str, rate_hz: int = RATE_HZ, duration_s: float = DURATION_S) -> Any:
    """Harmonics that swell, in the noise of a system."""
    t = np.arange(round(rate_hz * duration_s)) / rate_hz
    pitch_hz = 120 + 15 * ITEMS.index(item)
    voice = sum(np.sin(2 * np.pi * pitch_hz * k * t) / k for k in range(1, 40))
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * 5 * t)
    noise = np.random.default_rng(ITEMS.index(item)).standard_normal(len(t))
    return 0.1 * swell * voice + NOISE[system] * noise


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder of four items by three systems and the reference."""
    for system in NOISE:
        for item in ITEMS:
            _write_clip(tmp_path / "clips" / system / f"{item}.wav", _tone(item, system))
    return tmp_path / "clips"


def _study(design: str = "multi_stimulus", **changes: Any) -> Study:
    """Three systems and a reference."""
    given = {
        "title": "Rehearsal",
        "systems": ("noisy", "other", "ours"),
        "baseline": "noisy",
        "reference": "clean",
        "num_listeners": 4,
        "headphone_check": False,
    }
    return Study(design=design, **{**given, **changes})


@pytest.fixture
def study() -> Callable[..., Study]:
    """study(design, **changes): three systems and a reference."""
    return _study


@pytest.fixture
def tone() -> Callable[..., Any]:
    """tone(item, system): the samples of a clip."""
    return _tone


@pytest.fixture
def write_clip() -> Callable[..., Path]:
    """write_clip(path, samples): a file of them."""
    return _write_clip
