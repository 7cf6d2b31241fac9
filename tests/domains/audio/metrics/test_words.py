"""Words that are heard wrongly are counted as a full table of edits counts them."""

from __future__ import annotations

import random

import pytest

from clarion.base.errors import ClarionError, DataError
from clarion.domains.audio.metrics.words import Listener, word_error_rate, words_of


def least_edits(heard, said):
    """By trying everything."""
    if not heard or not said:
        return len(heard) + len(said)
    if heard[0] == said[0]:
        return least_edits(heard[1:], said[1:])
    return 1 + min(
        least_edits(heard[1:], said), least_edits(heard, said[1:]), least_edits(heard[1:], said[1:])
    )


def test_the_rate_is_that_of_the_least_edits():
    draw = random.Random(0)
    for _ in range(60):
        said = draw.choices("abc", k=draw.randint(1, 5))
        heard = draw.choices("abc", k=draw.randint(0, 6))
        assert word_error_rate(heard, said) == least_edits(heard, said) / len(said)


def test_words_are_compared_without_case_and_marks():
    heard = words_of("DON\u2019T stop, Zoë -- it's 3 o'clock.")
    assert heard == ["don't", "stop", "zoë", "it's", "3", "o'clock"]
    assert word_error_rate([], ["a", "b"]) == 1
    assert word_error_rate(["a", "b", "c"], ["a"]) == 2
    with pytest.raises(DataError, match="No word is said"):
        word_error_rate(["a"], [])


def test_a_folder_without_a_model_is_refused(tmp_path):
    pytest.importorskip("faster_whisper")
    with pytest.raises(ClarionError, match=r"no folder of a Whisper model: it has no model\.bin"):
        Listener(tmp_path)
