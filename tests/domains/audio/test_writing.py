"""Samples become files that can be played, and pictures of their spectra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clarion.base.errors import ClarionError
from clarion.base.sound import LogMel
from clarion.domains.audio.sound_file import Sound, read_sound, write_sound
from clarion.domains.audio.spectrogram_picture import levels_dbfs
from clarion.domains.audio.writing import check_out, write_samples

pytest.importorskip("soundfile")

CODEC = LogMel(8000, 800, 64, 32, 8)


def waves(n: int = 3) -> torch.Tensor:
    return 0.5 * torch.sin(torch.arange(800) * 0.2).expand(n, 800)


def test_one_file_holds_all_with_pauses(tmp_path: Path):
    write_samples(waves(), tmp_path / "new" / "all.wav", [4, 5, 6], CODEC)
    sound = read_sound(tmp_path / "new" / "all.wav")
    assert sound.sample_rate_hz == 8000
    assert len(sound.samples) == 3 * 800 + 2 * 1600
    np.testing.assert_allclose(sound.samples[:800], waves()[0], atol=2**-15)
    assert (sound.samples[800:2400] == 0).all()
    with Image.open(tmp_path / "new" / "all.png") as picture:
        assert picture.size[0] > 100


def test_a_folder_holds_a_file_for_each(tmp_path: Path):
    write_samples(waves(2), tmp_path / "out", [4, 5], CODEC)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["000004.wav", "000005.wav", "spectrograms.png"]


def test_a_picture_alone(tmp_path: Path):
    write_samples(waves(1), tmp_path / "one.png", [0], CODEC)
    assert [path.name for path in tmp_path.iterdir()] == ["one.png"]


def test_nothing_is_clipped(tmp_path: Path):
    write_samples(4 * waves(1), tmp_path / "loud.wav", [0], CODEC)
    sound = read_sound(tmp_path / "loud.wav")
    assert not sound.is_clipped
    np.testing.assert_allclose(sound.samples, waves()[0] * 2, atol=1e-3)


def test_what_cannot_be_written_is_said(tmp_path: Path):
    with pytest.raises(ClarionError, match=r"out must be a folder, or end in one of \.wav"):
        check_out(tmp_path / "x.mp3", CODEC)
    with pytest.raises(ClarionError, match="not all finite"):
        write_sound(tmp_path / "x.wav", Sound(np.array([np.nan]), 8000))


def test_a_sine_of_full_scale_is_drawn_at_0_dbfs():
    t = np.arange(8000) / 8000
    levels = levels_dbfs(Sound(np.sin(2 * np.pi * 1000 * t), 8000))
    window = 256
    assert levels[round(1000 * window / 8000), 60] == pytest.approx(0, abs=0.01)
