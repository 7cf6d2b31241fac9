"""What the page keeps from its listeners: which clip is of which system, which trial is what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from clarion.base.errors import CheckpointError
from clarion.listen.order import Trial
from clarion.listen.study import Study
from clarion.run.files import read_json, write_json
from clarion.run.serialize import from_json, to_json

KEY_FILE = "key.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Session:
    """What one listener is asked.

    Args:
        code: the secret part of the link.
        trials: in their order.
        scales: names of the questions, in the order in which this listener answers them.
    """

    code: str
    trials: tuple[Trial, ...]
    scales: tuple[str, ...]


@dataclass(frozen=True)
class Key:
    """All that is known of a study that has been built.

    Args:
        schema_version: of this file.
        clarion: version that built it.
        id: tells its answers from those of other studies.
        study: what was asked for.
        clips: item -> condition -> opaque name of the clip.
        open_references: item -> opaque name of the reference where it is shown as such.
        sessions: one a listener.
    """

    schema_version: int
    clarion: str
    id: str
    study: Study
    clips: Mapping[str, Mapping[str, str]]
    open_references: Mapping[str, str]
    sessions: tuple[Session, ...]

    @cached_property
    def by_code(self) -> dict[str, Session]:
        """Code -> session."""
        return {session.code: session for session in self.sessions}

    @property
    def items(self) -> tuple[str, ...]:
        """Names of the items, sorted."""
        return tuple(sorted(self.clips))

    def shown(self, trial: Trial) -> list[str]:
        """The clips of a trial, in the order of the page."""
        return [self.clips[trial.item][condition] for condition in trial.conditions]

    def write(self, folder: Path) -> None:
        """Write key.json."""
        write_json(folder / KEY_FILE, to_json(self))

    @staticmethod
    def read(folder: Path) -> Key:
        """Read key.json.

        Raises:
            CheckpointError: if it is missing, of another version, or of other contents.
        """
        content = read_json(folder / KEY_FILE)
        version = content.get("schema_version") if isinstance(content, dict) else None
        if version != SCHEMA_VERSION:
            raise CheckpointError(
                f"{folder / KEY_FILE} has schema_version {version!r}; this Clarion reads "
                f"{SCHEMA_VERSION}."
            )
        return from_json(Key, content, KEY_FILE)
