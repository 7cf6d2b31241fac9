"""Clips that do not belong together are refused by name; the others come out alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clarion.base.errors import DataError
from clarion.domains.audio.sound_file import Sound
from clarion.listen.clips import find_clips, prepared
from clarion.listen.loudness import loudness_lufs
from clarion.listen.study import ANCHOR, TRAP, Study

RATE_HZ = 16_000

pytest.importorskip("pyloudnorm")
pytest.importorskip("soxr")


def prepare(of: Study, clips: Path) -> dict[str, dict[str, Sound]]:
    return dict(prepared(of, find_clips(of, clips)))


def test_all_are_alike_but_for_the_system(clips, study):
    items = prepare(study(), clips)
    assert sorted(items) == ["a", "b", "c", "d"]
    for sounds in items.values():
        assert sorted(sounds) == sorted(["clean", "noisy", "other", "ours", ANCHOR, TRAP])
        for sound in sounds.values():
            assert sound.sample_rate_hz == RATE_HZ
            assert len(sound.samples) == len(sounds["clean"].samples)
            assert loudness_lufs(sound) == pytest.approx(-23, abs=1e-9)
            assert abs(sound.samples[0]) < 1e-3  # faded


def test_some_items_may_be_chosen(clips, study):
    assert sorted(prepare(study(items=("a", "d")), clips)) == ["a", "d"]
    (clips / "ours" / "b.wav").unlink()
    assert sorted(prepare(study(items=("a", "d")), clips)) == ["a", "d"]


def test_what_is_missing_is_named(clips, study):
    (clips / "ours" / "b.wav").unlink()
    (clips / "ours" / "c.wav").unlink()
    with pytest.raises(DataError, match=r"ours lacks 2 of 4 items: b, c\."):
        find_clips(study(), clips)
    with pytest.raises(DataError, match=r"no folder .*hers; each system has one"):
        find_clips(study(systems=("noisy", "hers")), clips)
    with pytest.raises(DataError, match="There is no folder"):
        find_clips(study(), clips / "none")
    (clips / "ours" / "a.flac").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.wav and a\.flac are of the same name"):
        find_clips(study(), clips)


def silent(samples, rate_hz):
    return np.zeros_like(samples), rate_hz


def clipped(samples, rate_hz):
    return np.clip(20 * samples, -1, 1), rate_hz


def shorter(samples, rate_hz):
    return samples[:-160], rate_hz


def short(samples, rate_hz):
    return samples[:1600], rate_hz


def stereo(samples, rate_hz):
    return np.stack([samples, -samples], 1), rate_hz


def with_nan(samples, rate_hz):
    return np.where(np.arange(len(samples)) == 9, np.nan, samples), rate_hz


def of_other_rate(samples, rate_hz):
    return np.repeat(samples, 3), 44_100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (silent, "silent"),
        (clipped, '"allow_clipped": true'),
        (shorter, r"lasts 0\.4500 s and .*ours.b.wav 0\.4400 s; .* length_tolerance_s"),
        (short, r"lasts 0\.100 s"),
        (stereo, "2 channels"),
        (with_nan, "NaN"),
        (of_other_rate, "sampled at 44100 Hz, others at 16000. Set sample_rate_hz"),
    ],
)
def test_what_cannot_be_used_is_refused(clips, study, tone, write_clip, change, message):
    samples, rate_hz = change(tone("b", "ours"), RATE_HZ)
    write_clip(clips / "ours" / "b.wav", samples, rate_hz)
    with pytest.raises(DataError, match=message) as refused:
        prepare(study(), clips)
    assert str(clips / "ours" / "b.wav") in str(refused.value)


def test_what_is_allowed_is_taken(clips, study, tone, write_clip):
    write_clip(clips / "ours" / "b.wav", tone("b", "ours", 44_100), 44_100)
    write_clip(clips / "ours" / "c.wav", np.clip(20 * tone("c", "ours"), -1, 1))
    write_clip(clips / "ours" / "d.wav", tone("d", "ours")[:-160])
    lenient = study(sample_rate_hz=16_000, allow_clipped=True, length_tolerance_s=0.02)
    items = prepare(lenient, clips)
    assert {len(sound.samples) for sound in items["b"].values()} == {7200}
    assert {len(sound.samples) for sound in items["d"].values()} == {7040}
