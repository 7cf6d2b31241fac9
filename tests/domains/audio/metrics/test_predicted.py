"""Predicted scores are those of the packages whose networks they are."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from clarion.base.errors import DataError
from clarion.domains.audio.metrics.predicted import distillmos, dnsmos_ovrl
from clarion.domains.audio.metrics.tables import SPEECH_METRICS

RATE_HZ = 16_000


FORMANTS_HZ = np.array([(700, 1220, 2600), (300, 2300, 3000), (450, 800, 2830), (530, 1840, 2480)])
"""Of four vowels. A buzz alone is no speech to a network that has learnt from speech."""


def vowels(duration_s: float, noise: float) -> np.ndarray:
    """Syllables of four vowels at a root mean square of 0.06, in white noise of a deviation."""
    t = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    pitch_hz = 130 * (1 + 0.12 * np.sin(np.pi * t))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    smooth = np.hanning(1600) / np.hanning(1600).sum()
    at_hz = FORMANTS_HZ[(3.3 * t).astype(int) % 4].T
    formants = [np.convolve(hz, smooth, "same") for hz in at_hz]
    voice = np.zeros(len(t))
    for k in range(1, 50):
        hz = k * pitch_hz
        shapes = zip(formants, (60, 90, 120), (1, 0.5, 0.25), strict=True)
        level = sum(gain / (1 + ((hz - at) / width) ** 2) for at, width, gain in shapes)
        voice += level * np.sqrt(np.minimum(1, 500 / hz)) * (hz < 7500) * np.sin(k * phase)
    voice *= np.clip(np.sin(2 * np.pi * 3.3 * t) + 0.6, 0, 1) ** 0.7
    voice *= 0.06 / np.sqrt(np.mean(voice**2))
    return voice + noise * np.random.default_rng(0).standard_normal(len(t))


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch):
    """`speechmos`, without the score of another network, which needs librosa."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("requests")
    found = pytest.importorskip("speechmos")
    monkeypatch.setitem(sys.modules, "librosa", ModuleType("librosa"))
    from speechmos.dnsmos import DNSMOS  # pyright: ignore[reportMissingImports]

    weights = str(Path(found.__file__).parent / "dnsmos_models" / "sig_bak_ovr.onnx")
    monkeypatch.setattr(DNSMOS, "audio_melspec", lambda self, audio: np.zeros((1, 1)))
    dnsmos = DNSMOS(weights, weights)
    no_score = SimpleNamespace(run=lambda names, inputs: [[[0.0]]])
    monkeypatch.setattr(dnsmos, "p808_onnx_sess", no_score)
    return dnsmos


@pytest.mark.parametrize("duration_s", [0.7, 9.5, 11.2, 17.2])
def test_dnsmos_is_that_of_its_package(duration_s, package):
    """Of short clips, which are doubled, and of long ones, of which some stretches are left out."""
    sound = vowels(duration_s, 0.01)
    theirs = package(sound, RATE_HZ, is_personalized_MOS=False)["ovrl_mos"]
    assert dnsmos_ovrl(sound) == pytest.approx(theirs, abs=1e-5)  # float32, sums in other orders


def test_dnsmos_of_nothing_is_refused():
    with pytest.raises(DataError, match="without samples"):
        dnsmos_ovrl(np.zeros(0))


@pytest.mark.skipif(find_spec("distillmos") is None, reason="it is not installed")
def test_distillmos_hears_less_noise_as_better():
    """At ratios of 16, 2 and -4 dB."""
    scores = [distillmos(vowels(8.0, noise)) for noise in (0.01, 0.05, 0.1)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[2] + 0.5
    again = SPEECH_METRICS["distillmos"].measure(vowels(8.0, 0.01), vowels(8.0, 0.1))
    assert again == scores[0]
