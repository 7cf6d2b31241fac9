"""What a person sees while a model trains, and what is kept of it in `log.jsonl`."""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from clarion.run.examples import DataDescription

SECONDS_BETWEEN_LINES = 60.0


class CountProgress:
    """A bar while data are read, or other things counted; in a log, a line every minute.

    Args:
        what: is being done.
    """

    def __init__(self, what: str = "reading") -> None:
        console = Console(stderr=True)
        self._what, self._begun, self._done = what, time.monotonic(), 0
        self._seen = self._said = self._begun
        self._bar = Progress(
            TextColumn(what),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def count(self, done: int, total: int) -> None:
        """Show how many are done."""
        if self._bar.disable:
            self._log(done, total)
        elif self._task is None:
            self._task = self._bar.add_task("", total=total)
        elif done < self._bar.tasks[0].completed:  # another part of the work begins
            self._bar.reset(self._task, total=total)
        if self._task is not None:
            self._bar.update(self._task, completed=done, total=total)

    def _log(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < self._done:  # another part of the work begins
            self._begun = self._seen
        self._done, self._seen = done, now
        if now - self._said >= SECONDS_BETWEEN_LINES and 0 < done < total:
            left = timedelta(seconds=round((now - self._begun) * (total - done) / done))
            line = f"{self._what}: {done:,} of {total:,}, {left} left"
            print(line, file=sys.stderr, flush=True)
            self._said = now


class TrainProgress:
    """A bar with loss, speed and time left; every report also goes to `log.jsonl`.

    Args:
        run: folder of the run; the log is written there once it exists.
        num_steps: of the whole training.
        as_json: print each report as a line of JSON on standard output, and no bar.
    """

    def __init__(self, run: Path, num_steps: int, *, as_json: bool = False) -> None:
        self._log, self._num_steps, self._as_json = run / "log.jsonl", num_steps, as_json
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            console=self._console,
            disable=as_json or not self._console.is_terminal,
        )
        self._train: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def describe(self, description: DataDescription) -> None:
        """Show and log what is in the data."""
        self._write({"data": description.to_json()})
        if not self._as_json:
            self._console.print(description)

    def report(self, content: dict[str, Any]) -> None:
        """Log a report of the trainer and show it."""
        self._write(content)
        if self._as_json:
            return
        if self._bar.disable:
            print(_in_words(content), file=sys.stderr, flush=True)
        else:
            self._show(content)

    def _write(self, content: dict[str, Any]) -> None:
        line = json.dumps({"time": round(time.time(), 3)} | content)
        with self._log.open("a") as log:
            log.write(line + "\n")
        if self._as_json:
            print(line, flush=True)

    def _show(self, content: dict[str, Any]) -> None:
        if self._train is None:
            self._train = self._bar.add_task(
                "training", total=self._num_steps, completed=content["step"], status=""
            )
        if "loss" in content:
            self._bar.update(self._train, completed=content["step"], status=_in_words(content))
        else:
            self._bar.console.print(_in_words(content))


def _in_words(content: dict[str, Any]) -> str:
    step = f"step {content['step']}"
    if "loss" in content:
        left = timedelta(seconds=round(content["seconds_left"]))
        return (
            f"{step}: loss {content['loss']:.4f}, {content['examples_per_s']:.0f} examples/s, "
            f"{left} left"
        )
    if "validation" in content:
        return f"{step}: " + "; ".join(_by_level(k, v) for k, v in content.items() if k != "step")
    if "weights" in content:
        return (
            f"{step}: {content['weights']:,} weights on {content['device']}, "
            f"{content['training_examples']:,} examples to train on and "
            f"{content['validation_examples']:,} to validate on"
        )
    if "precision" in content:
        times = ", ".join(f"{k} {v:.3f} s" for k, v in content["seconds_per_pass"].items())
        return f"training in {content['precision']} (a pass takes {times})"
    return f"{step}: {content}"


def _by_level(name: str, figures: dict[str, float]) -> str:
    levels = [(float(level), value) for level, value in figures.items() if level != "mean"]
    shown = ", ".join(f"{level:.2g}: {value:.3f}" for level, value in levels)
    return f"{name} {figures['mean']:.4f}" + (f" (noise {shown})" if levels else "")
