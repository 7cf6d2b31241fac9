"""What is in a set of sounds, found before a model is trained on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from clarion.domains.audio.sound_set import SoundSet
from clarion.run.columns import describe_column
from clarion.run.duplicates import NAMED, DuplicateReport, listed

QUANTILES = {"least": 0.0, "5%": 0.05, "median": 0.5, "95%": 0.95, "most": 1.0}

SILENT_DBFS = -70.0
"""A sound whose loudest sample is below this holds nothing."""


@dataclass(frozen=True)
class SoundReport:
    """What is in a set of sounds.

    Args:
        count: number of sounds.
        hours: of all together, as they are in their files.
        sample_rates_hz: rate -> how many files have it.
        used_rate_hz: to which they are brought.
        used_duration_s: to which they are cut or filled up.
        num_cut: how many are longer than that.
        num_pieces: into how many pieces they are cut; as many as there are, if only the beginning
            of each is used.
        durations_s: name -> quantile.
        levels_dbfs: name -> quantile of the root mean squares, silence left out.
        num_clipped: how many have flat peaks near full scale.
        clipped: the first few of them.
        num_silent: how many stay below -70 dBFS.
        silent: the first few of them.
        duplicates: sounds that occur more than once.
        conditions: name -> what there is to say of each.
        unused: columns from which nothing is read.
    """

    count: int
    hours: float
    sample_rates_hz: dict[int, int]
    used_rate_hz: int
    used_duration_s: float
    num_cut: int
    num_pieces: int
    durations_s: dict[str, float]
    levels_dbfs: dict[str, float]
    num_clipped: int
    clipped: tuple[str, ...]
    num_silent: int
    silent: tuple[str, ...]
    duplicates: DuplicateReport
    conditions: Mapping[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    @staticmethod
    def measure(sounds: SoundSet) -> SoundReport:
        """Gather what was found when the sounds were read."""
        facts = sounds.facts
        durations = [fact.duration_s for fact in facts]
        clipped = [i for i, fact in enumerate(facts) if fact.is_clipped]
        silent = [i for i, fact in enumerate(facts) if fact.peak_dbfs < SILENT_DBFS]
        levels = [f.level_dbfs for i, f in enumerate(facts) if i not in set(silent)]
        used_duration_s = sounds.shape[0] / sounds.sample_rate_hz
        return SoundReport(
            count=len(facts),
            hours=sum(durations) / 3600,
            sample_rates_hz=dict(sorted(Counter(f.sample_rate_hz for f in facts).items())),
            used_rate_hz=sounds.sample_rate_hz,
            used_duration_s=used_duration_s,
            num_pieces=len(sounds),
            num_cut=sum(s > used_duration_s + 1 / sounds.sample_rate_hz for s in durations),
            durations_s=_quantiles(durations),
            levels_dbfs=_quantiles(levels),
            num_clipped=len(clipped),
            clipped=tuple(facts[i].name for i in clipped[:NAMED]),
            num_silent=len(silent),
            silent=tuple(facts[i].name for i in silent[:NAMED]),
            duplicates=DuplicateReport.find([f.digest for f in facts], lambda i: facts[i].name),
            conditions={name: dict(c.summary) for name, c in sounds.conditions.items()},
            unused=sounds.unused,
        )

    def to_json(self) -> dict[str, Any]:
        """The report as plain types, ready for `json.dumps`."""
        return asdict(self)

    def __rich__(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column()
        length = f"{self.hours:.2f} hours" if self.hours >= 1 else f"{60 * self.hours:.1f} minutes"
        table.add_row("sounds", f"{self.count:,}, {length}")
        rates = ", ".join(f"{rate:,} Hz ({n:,})" for rate, n in self.sample_rates_hz.items())
        table.add_row("rates", f"{rates}, brought to {self.used_rate_hz:,} Hz")
        table.add_row("lengths", f"{_spread(self.durations_s, '.2f')} s")
        cut = f", {self.num_cut:,} of them longer and cut" if self.num_cut else ""
        table.add_row("", f"cut or filled up to {self.used_duration_s:.3f} s{cut}")
        if self.num_pieces != self.count:
            table.add_row("", f"{self.num_pieces:,} pieces in all")
        levels = f"{_spread(self.levels_dbfs, '.1f')} dBFS" if self.levels_dbfs else "none"
        table.add_row("levels", levels)
        for name, total, some in (
            ("clipped", self.num_clipped, self.clipped),
            ("silent", self.num_silent, self.silent),
        ):
            words = listed(f"{total:,}", list(some), total) if total else "none"
            table.add_row(name, Text(words))
        repeated = self.duplicates.in_words("sound", "with other conditions")
        table.add_row("duplicates", Text(repeated))
        for name, summary in self.conditions.items():
            table.add_row(name, Text(describe_column(summary)))
        if self.unused:
            hint = " (read as conditions with --conditions NAME=KIND)" * (not self.conditions)
            table.add_row("not used", Text(f"columns {', '.join(self.unused)}{hint}"))
        return table


def _quantiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    return {name: float(np.quantile(values, q)) for name, q in QUANTILES.items()}


def _spread(quantiles: Mapping[str, float], form: str) -> str:
    return ", ".join(f"{name} {value:{form}}" for name, value in quantiles.items())
