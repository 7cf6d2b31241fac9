"""What all benchmarks share: interleaved timing, intervals, the record of the machine, the file.

Contenders run in turn, A B C A B C ..., so that a change of the machine's load meets all of them
alike. A ratio is the median over the rounds of the ratios within a round, with the 95 % interval
of a bootstrap over rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
NUM_RESAMPLES = 2000
BUSY = 0.5
"""A load before the start above which a file is marked as taken on a busy machine."""


class Benchmark:
    """One run of one benchmark: its options, and the file it writes.

    Args:
        script: `__file__` of the benchmark.
        description: what it compares; stands in the help and in the file.
        add_options: adds the options of its own.
    """

    def __init__(
        self,
        script: str,
        description: str,
        add_options: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
    ) -> None:
        self.name = Path(script).stem
        parser = argparse.ArgumentParser(
            description=description, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.add_argument("--out", type=Path, default=RESULTS / f"{self.name}.json")
        parser.add_argument("--quick", action="store_true", help="few repetitions, a rough answer")
        parser.add_argument("--threads", type=int, default=0, help="0: as many as torch chooses")
        add_options(parser)
        self.options = parser.parse_args()
        if self.options.threads:
            torch.set_num_threads(self.options.threads)
        self._record: dict[str, Any] = {
            "benchmark": self.name,
            "compares": description.strip(),
            "command": _command(script),
            "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
            "machine": machine(),
            "load_average_before": list(os.getloadavg()),
        }
        self._start = time.perf_counter()
        self.console = Console(width=max(100, Console().width))

    def write(self, settings: Mapping[str, Any], results: Mapping[str, Any]) -> None:
        """Write the file, atomically."""
        self._record |= {
            "load_average_after": list(os.getloadavg()),
            "was_busy": self._record["load_average_before"][0] > BUSY,
            "seconds": round(time.perf_counter() - self._start, 1),
            "is_quick": self.options.quick,
            "settings": dict(settings),
            "results": dict(results),
        }
        self.options.out.parent.mkdir(parents=True, exist_ok=True)
        partial = self.options.out.with_suffix(".partial")
        partial.write_text(_dump(self._record))
        partial.replace(self.options.out)
        load = self._record["load_average_before"][0]
        if load > BUSY:
            self.console.print("[yellow]Other processes were running; repeat on an idle machine.")
        self.console.print(
            f"{self.options.out}  ({self._record['seconds']} s, load {load:.1f} on "
            f"{self._record['machine']['usable_cores']} of {os.cpu_count()} cores)"
        )

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table; the first column is text, the others numbers."""
        table = Table(title=title, title_justify="left")
        for number, column in enumerate(columns):
            table.add_column(column, justify="right" if number else "left")
        for row in rows:
            table.add_row(*map(str, row))
        self.console.print(table)


def interleave(
    contenders: Mapping[str, Callable[[], float]], rounds: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Run all contenders in turn, `rounds` times, after `warm_up` turns that do not count.

    Args:
        contenders: name -> a run, which returns what it measured.
        rounds: repetitions of each.
        warm_up: turns before.

    Returns:
        name -> what was measured in each round.
    """
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(-warm_up, rounds):
        for name, run in contenders.items():
            value = run()
            if number >= 0:
                measured[name].append(value)
    return measured


def timed(run: Callable[[], Any]) -> Callable[[], float]:
    """The same, but returning how many seconds it takes."""

    def measure() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return measure


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Raw values with their median, least and greatest."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "raw": list(values),
    }


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> dict[str, Any]:
    """Median over the rounds of numerator / denominator, and its 95 % bootstrap interval."""
    ratios = np.array(numerator) / np.array(denominator)
    low, high = bootstrap(ratios, lambda drawn: np.median(drawn, axis=-1))
    return {"median": float(np.median(ratios)), "low": low, "high": high, "n": len(ratios)}


def bootstrap(
    values: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]
) -> tuple[float, float]:
    """95 % percentile interval of a statistic, over resamples of the values.

    Args:
        values: (n,).
        statistic: (resamples, n) -> (resamples,).
    """
    draws = np.random.default_rng(0).integers(len(values), size=(NUM_RESAMPLES, len(values)))
    low, high = np.quantile(statistic(values[draws]), [0.025, 0.975])
    return float(low), float(high)


def show_ratio(of: Mapping[str, Any]) -> str:
    """ "0.52 [0.50, 0.55]"."""
    return f"{of['median']:.2f} [{of['low']:.2f}, {of['high']:.2f}]"


def machine() -> dict[str, Any]:
    """Processor, cores, threads and versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "clarion": _version("clarion"),
        "diffusers": _version("diffusers"),
    }


def _processor() -> str:
    """Name of the processor; family and model tell apart what a virtual machine calls the same."""
    fields = {}
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else ():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    if "model name" not in fields:
        return platform.processor() or "unknown"
    return f"{fields['model name']} (family {fields['cpu family']}, model {fields['model']})"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _command(script: str) -> str:
    """The command line, to be given in the root of the repository; foreign paths lose folders."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return shlex.join(["python", f"benchmarks/{Path(script).name}", *words])


def _dump(record: Mapping[str, Any]) -> str:
    """JSON with each list of numbers on one line."""
    text = json.dumps(_rounded(record), indent=1)
    return re.sub(r"\[([-+\d.,e\s]+)\]", lambda m: f"[{' '.join(m[1].split())}]", text) + "\n"


def _rounded(value: Any) -> Any:
    """Five digits are more than any of these measurements has."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
