"""What is said of long work where nobody looks on: a line a minute, with the time left."""

from __future__ import annotations

import pytest

from clarion.cli import progress
from clarion.cli.progress import CountProgress


def test_a_log_has_a_line_a_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with CountProgress("measuring") as bar:
        for done in range(1, 201):  # ten seconds each
            clock[0] += 10
            bar.count(done, 200)
        for done in (1, 2, 3):  # another part of the work, a minute each
            clock[0] += 60
            bar.count(done, 10_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "measuring: 6 of 200, 0:32:20 left"
    assert lines[32] == "measuring: 198 of 200, 0:00:20 left"
    assert lines[33:] == [
        "measuring: 1 of 10,000, 6 days, 22:39:00 left",
        "measuring: 2 of 10,000, 6 days, 22:38:00 left",
        "measuring: 3 of 10,000, 6 days, 22:37:00 left",
    ]


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with CountProgress("reading") as bar:
        for done in range(1, 101):
            bar.count(done, 100)
    assert not capsys.readouterr().err
