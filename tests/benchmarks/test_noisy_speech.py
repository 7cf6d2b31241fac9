"""Speakers and kinds of noise are spread over each other."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from clarion.base.errors import DataError


@pytest.fixture
def module(benchmark):
    return benchmark("noisy_speech")


def spoken(module, speakers: int, turns: int, duration_s: float):
    """As many utterances of each speaker, in turn, some of them loud."""
    rng = np.random.default_rng(0)
    length = round(duration_s * module.RATE_HZ)
    return [
        module.Utterance(np.clip(rng.standard_normal(length), -1, 1), f"s{s}", s, turn, "")
        for turn in range(turns)
        for s in range(speakers)
    ]


def test_each_kind_meets_all_speakers(module):
    mixtures = module.measured_set(spoken(module, 10, 8, 0.1))
    pairs = Counter((m.kind, m.of.speaker) for m in mixtures)
    assert len(pairs) == len(module.KINDS) * 10
    assert set(pairs.values()) == {1}


def test_mixtures_are_at_their_ratio_and_below_full_scale(module):
    for m in module.measured_set(spoken(module, 4, 4, 0.3)):
        noise = m.noisy - m.clean
        ratio_db = 10 * np.log10((m.clean**2).sum() / (noise**2).sum())
        assert ratio_db == pytest.approx(m.snr_db, abs=1e-3)
        assert max(np.abs(m.clean).max(), np.abs(m.noisy).max()) <= module.HIGHEST_PEAK + 1e-6


@pytest.mark.parametrize(("speakers", "items"), [(10, 20), (3, 9)])
def test_a_study_is_balanced(module, speakers, items):
    """Three fitting utterances of each, between such as are too long or too short."""
    fitting = spoken(module, speakers, 3, 3.0)
    others = spoken(module, speakers, 1, 2.9) + spoken(module, speakers, 1, 8.1)
    studied = module.study_set(others + fitting)
    assert len(studied) == items
    assert {len(m.clean) for m in studied} == {48_000}
    assert all(0 <= m.snr_db <= 10 for m in studied)
    assert sum(m.kind in module.OTHERS for m in studied) >= items / 2
    each = Counter(m.of.speaker for m in studied).values()
    assert len(each) == speakers
    assert max(each) == min(each)


def test_a_study_of_nothing_is_refused(module):
    with pytest.raises(DataError, match="utterances of 3 to 8 s, and there are none"):
        module.study_set(spoken(module, 2, 1, 1.0))
