"""Which words are heard in speech, and how many of them are wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from clarion.base.errors import ClarionError, DataError

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


class Listener:
    """Writes down what is said: a Whisper model in the form of CTranslate2.

    Args:
        folder: of the model, with `model.bin` and `config.json`; nothing is fetched.

    Raises:
        ClarionError: if there is none, or the package that runs it is not installed.

    Source: Radford et al. 2022, arXiv 2212.04356.
    """

    def __init__(self, folder: Path) -> None:
        try:
            from faster_whisper import WhisperModel  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise ClarionError(
                "Words are heard by the package faster-whisper. Install it with: "
                "pip install faster-whisper"
            ) from None
        if not (folder / "model.bin").is_file():
            raise ClarionError(f"{folder} is no folder of a Whisper model: it has no model.bin.")
        threads = torch.get_num_threads()
        self._model = WhisperModel(
            str(folder), "cpu", compute_type="float32", cpu_threads=threads, local_files_only=True
        )

    def words(self, samples: NDArray[np.float64]) -> list[str]:
        """What is said in samples at 16 kHz, the same at each call."""
        # One temperature: with more it would try again at random where it is in doubt.
        parts, _ = self._model.transcribe(
            samples.astype(np.float32),
            language="en",
            beam_size=5,
            temperature=0.0,
            condition_on_previous_text=False,
            no_repeat_ngram_size=5,  # in noise it would say the same words again without end
        )
        return words_of(" ".join(part.text for part in parts))


def words_of(text: str) -> list[str]:
    """The words of a text in small letters, without what stands between them.

    Example:
        >>> words_of("DON'T, said Ann; wait.")
        ["don't", 'said', 'ann', 'wait']
    """
    return WORD.findall(text.replace("’", "'").lower())


def word_error_rate(heard: Sequence[str], said: Sequence[str]) -> float:
    """Least number of words to insert, leave out and replace, over the number that was said.

    Raises:
        DataError: if nothing was said.
    """
    if not said:
        raise DataError("No word is said in it.")
    before = list(range(len(said) + 1))
    for number, word in enumerate(heard, 1):
        row = [number]
        for i, other in enumerate(said, 1):
            row.append(min(row[-1] + 1, before[i] + 1, before[i - 1] + (word != other)))
        before = row
    return before[-1] / len(said)
