"""Answers on disk: one file a listener, a line a record, never changed.

A record is on the disk before it is acknowledged. A line that a kill cut short was not, and is cut
off when the file is opened again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clarion.base.errors import ClarionError, DataError
from clarion.listen.key import Key
from clarion.listen.records import Record, parse_record, read_record, write_record
from clarion.run.files import read_json

ANSWERS = "answers"
SIMULATED = "simulated"

Answers = dict[str, dict[str, Record]]
"""Listener's code -> name of the record -> record."""


class ConflictError(ClarionError):
    """Another answer to the same question is there already."""


class AnswerFolder:
    """The answers of a study, held by one process at a time.

    Args:
        folder: where they are kept; made if it does not exist.
        key: of the study.

    Raises:
        ClarionError: if another process holds it, or a file in it cannot be read.
    """

    def __init__(self, folder: Path, key: Key) -> None:
        self.folder, self.key = folder, key
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise ClarionError(f"Another process is writing to {folder}; stop it first.") from None
        try:
            for path in sorted(folder.glob("*.jsonl")):
                _cut_torn_line(path)
            self.answers = read_folder(folder, key)
        except ClarionError:
            self._lock.close()
            raise

    def add(self, record: Record) -> None:
        """Write a record, unless it is there already.

        Raises:
            ConflictError: if another of its name is there.
            OSError: if it cannot be written; then it is not.
        """
        known = self.answers.setdefault(record.listener, {})
        before = known.get(record.name)
        if before is None:
            _append(self.folder / f"{record.listener}.jsonl", write_record(record).encode())
            known[record.name] = record
        elif before != replace(record, at=before.at):
            raise ConflictError(f"There is another answer to {record.name} already.")

    def close(self) -> None:
        """Let others have the folder."""
        self._lock.close()


def _append(path: Path, line: bytes) -> None:
    """Add a line, durably and whole, or leave the file as it was."""
    is_new = not path.exists()
    with path.open("ab", buffering=0) as file:  # a buffer would write its rest when it is closed
        size = file.tell()
        try:
            while line:
                line = line[file.write(line) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            os.fsync(file.fileno())
            raise
    if is_new:
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _cut_torn_line(path: Path) -> None:
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def read_folder(folder: Path, key: Key) -> Answers:
    """All answers that a folder holds; none if there is no folder.

    Raises:
        DataError: for a line that is no record of the study, or one that contradicts another.
    """
    answers: Answers = {}
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else ():
        lines = path.read_text().split("\n")
        for number, line in enumerate(
            lines[:-1], 1
        ):  # behind the last end of a line nothing counts
            where = f"{path.name}, line {number}"
            _add(answers, parse_record(line, key, where), where)
    return answers


def read_files(paths: Sequence[Path], key: Key) -> Answers:
    """The answers in files that listeners saved from the page and sent.

    Raises:
        DataError: for a file that is none of those, or that contradicts another.
    """
    answers: Answers = {}
    for path in paths:
        content = read_json(path)
        records = content.get("records") if isinstance(content, dict) else None
        if not isinstance(records, list) or content.get("clarion_listen") != 1:
            raise DataError(f"{path} is no file of answers, as the page saves them (JSON).")
        for number, record in enumerate(records, 1):
            where = f"{path.name}, record {number}"
            _add(answers, read_record(record, key, where), where)
    return answers


def merged(first: Answers, second: Answers) -> Answers:
    """Both, if they do not contradict each other.

    Raises:
        DataError: if they do.
    """
    answers = {code: dict(records) for code, records in first.items()}
    for records in second.values():
        for record in records.values():
            _add(answers, record, f"Listener {record.listener}")
    return answers


def _add(answers: Answers, record: Record, where: str) -> None:
    known = answers.setdefault(record.listener, {})
    before = known.setdefault(record.name, record)
    if before != replace(record, at=before.at):
        raise DataError(
            f"{where}: another answer to {record.name} is there already. Decide which one counts "
            "and remove the other."
        )
