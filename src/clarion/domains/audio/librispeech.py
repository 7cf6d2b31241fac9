"""The layout of LibriSpeech: speaker/chapter/*.flac beside speaker-chapter.trans.txt.

Source: Panayotov et al. 2015, doi 10.1109/ICASSP.2015.7178964.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from clarion.base.errors import DataError

NAME = re.compile(r"(\d+)-(\d+)-\d+")


def is_librispeech(paths: Sequence[Path]) -> bool:
    """Whether all files are called SPEAKER-CHAPTER-NUMBER, and the first has its transcripts."""
    return all(NAME.fullmatch(path.stem) for path in paths) and _transcripts(paths[0]).is_file()


def librispeech_columns(paths: Sequence[Path]) -> dict[str, list[str]]:
    """Speaker, chapter and text of each file.

    Raises:
        DataError: for a file without its transcript.
    """
    names = [path.stem.split("-") for path in paths]
    chapters = {file: _read(file) for file in sorted(set(map(_transcripts, paths)))}
    untold = [path for path in paths if path.stem not in chapters[_transcripts(path)]]
    if untold:
        raise DataError(f"{_transcripts(untold[0])} has no line for {untold[0].name}.")
    return {
        "speaker": [name[0] for name in names],
        "chapter": [name[1] for name in names],
        "text": [chapters[_transcripts(path)][path.stem] for path in paths],
    }


def _transcripts(path: Path) -> Path:
    speaker, chapter, _ = path.stem.split("-")
    return path.with_name(f"{speaker}-{chapter}.trans.txt")


def _read(file: Path) -> dict[str, str]:
    """Name -> text."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}.") from None
    return {name: text for name, _, text in (line.partition(" ") for line in lines if line)}
