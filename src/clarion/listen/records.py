"""What the page hands over, and the checks that it passes before anybody relies on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from clarion.base.errors import ClarionError
from clarion.base.names import NameTable
from clarion.base.options import check_choice, check_number, check_whole
from clarion.listen.key import Key
from clarion.run.serialize import from_json, to_json

MOST_BYTES = 64 * 1024
"""Of one record."""

MOST_COMMENT = 2000  # characters
TRIPLES = 6  # of tones in the headphone check
TONES_TO_PASS = 5  # of them, from Woods et al. 2017, doi 10.3758/s13414-017-1361-2
LONGEST_S = 24 * 3600.0


@dataclass(frozen=True)
class Record:
    """One step of a listener.

    Args:
        study: which study.
        listener: the code.
        at: when, as ISO 8601.
        simulated: whether no person did it.
    """

    study: str
    listener: str
    at: str
    simulated: bool = field(default=False, metadata={"optional": True}, kw_only=True)

    def __post_init__(self) -> None:
        try:
            datetime.fromisoformat(self.at)
        except ValueError:
            raise ClarionError(f"at must be a time of ISO 8601, got {self.at!r}.") from None

    @property
    def name(self) -> str:
        """Which step: a listener has one of each name."""
        raise NotImplementedError

    def check(self, key: Key) -> None:
        """Refuse what does not answer what was asked.

        Raises:
            ClarionError: naming what does not fit.
        """
        if self.study != key.id:
            raise ClarionError(f"These are answers to another study, {self.study!r}.")
        if self.listener not in key.by_code:
            raise ClarionError(f"The study has no listener of the code {self.listener!r}.")


@dataclass(frozen=True)
class Start(Record):
    """The listener is about to begin.

    Args:
        device: "headphones" or "loudspeaker".
        tones_right: right answers in the headphone check; None if it was not made.
    """

    device: str
    tones_right: int | None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("device", self.device, ["headphones", "loudspeaker"])
        if self.tones_right is not None:
            check_whole("tones_right", self.tones_right, 0, TRIPLES)

    @property
    def name(self) -> str:
        """There is one."""
        return "start"


@dataclass(frozen=True)
class Rating:
    """One answer: of a clip, or of a pair that has it as its second.

    Args:
        clip: opaque name.
        scale: name of the question.
        value: the answer.
    """

    clip: str
    scale: str
    value: int


@dataclass(frozen=True)
class TrialAnswer(Record):
    """All answers to a trial.

    Args:
        trial: its number in the session.
        ratings: the answers.
        plays: clip -> how often it was chosen.
        heard_s: clip -> for how long it was heard.
        seconds: spent on the trial.
    """

    trial: int
    ratings: tuple[Rating, ...]
    plays: Mapping[str, int]
    heard_s: Mapping[str, float]
    seconds: float

    def __post_init__(self) -> None:
        super().__post_init__()
        for number in (self.seconds, *self.heard_s.values()):
            check_number("A time", number, 0, LONGEST_S)
        for number in self.plays.values():
            check_whole("plays", number, 0, 100_000)

    @property
    def name(self) -> str:
        """One a trial."""
        return f"trial {self.trial}"

    def check(self, key: Key) -> None:
        """See `Record.check`: each question on each clip of the trial is answered once."""
        super().check(key)
        trials = key.by_code[self.listener].trials
        if not 0 <= self.trial < len(trials):
            raise ClarionError(f"trial must be in 0..{len(trials) - 1}, got {self.trial}.")
        shown = key.shown(trials[self.trial])
        rated = shown[1:] if key.study.shown == "pair" else shown
        scales = {scale.name: scale for scale in key.study.scales}
        wanted = sorted((clip, scale) for clip in rated for scale in scales)
        given = sorted((rating.clip, rating.scale) for rating in self.ratings)
        if given != wanted:
            raise ClarionError(
                f"Trial {self.trial} asks for {len(wanted)} answers, each once, and got "
                f"{len(given)} that are not those."
            )
        for rating in self.ratings:
            if not scales[rating.scale].allows(rating.value):
                raise ClarionError(f"{rating.value} is no answer to {rating.scale}.")
        unknown = (
            (set(self.plays) | set(self.heard_s))
            - set(shown)
            - {key.open_references.get(trials[self.trial].item)}
        )
        if unknown:
            raise ClarionError(f"Trial {self.trial} does not play {sorted(unknown)[0]!r}.")


@dataclass(frozen=True)
class End(Record):
    """The listener has finished.

    Args:
        comment: in his own words.
    """

    comment: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.comment) > MOST_COMMENT:
            raise ClarionError(f"comment must have at most {MOST_COMMENT} characters.")

    @property
    def name(self) -> str:
        """There is one."""
        return "end"


RECORDS: NameTable[type[Record]] = NameTable(
    "record", {"start": Start, "trial": TrialAnswer, "end": End}
)
_TABLES = {Record: RECORDS}


def parse_record(text: str | bytes, key: Key, where: str) -> Record:
    """Read one record of JSON, and check it.

    Raises:
        ClarionError: if it is none, or does not fit the study.
    """
    try:
        content = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ClarionError(f"{where} is no JSON.") from None
    return read_record(content, key, where)


def read_record(content: Any, key: Key, where: str) -> Record:
    """The same of parsed JSON."""
    record: Record = from_json(Record, content, where, _TABLES)  # pyright: ignore
    try:
        record.check(key)
    except ClarionError as error:
        raise ClarionError(f"{where}: {error}") from None
    return record


def write_record(record: Record) -> str:
    """A record as one line of JSON."""
    return json.dumps(to_json(record, _TABLES), allow_nan=False) + "\n"


def _refuse_constant(word: str) -> float:
    raise ValueError(f"JSON has no {word}.")
