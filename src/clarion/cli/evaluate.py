"""`clarion evaluate NAME SAMPLES`: how good samples are, in numbers with intervals.

`clarion evaluate likelihood MODEL --data DATA`: how many bits a model needs for data.

`clarion evaluate --compare A.json B.json`: by how much two cards differ, and whether by chance.
"""

# Annotations are evaluated here, not kept as text: those of the evaluation are found out first.

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from clarion.base.errors import ClarionError
from clarion.cli.progress import CountProgress
from clarion.cli.training import wants_help
from clarion.domains.evaluations import EVALUATIONS
from clarion.evaluate.compare import compare
from clarion.evaluate.metric import MetricCard
from clarion.run.files import write_json


@dataclass(frozen=True)
class Options:
    """How to print.

    Args:
        out: writes the card (.json), to be compared with others.
        json: print JSON.
    """

    out: Path | None = None
    json: bool = False

    def __post_init__(self) -> None:
        if self.out is not None and self.out.suffix.lower() != ".json":
            raise ClarionError(f"out must end in .json, got {str(self.out)!r}.")


@dataclass(frozen=True)
class Compared:
    """Two cards.

    Args:
        compare: the files that --out wrote; the first is taken from the second.
        paired: sample i of both was drawn from the same random numbers, as cards of .npz files of
            one seed say themselves.
        json: print JSON.
    """

    compare: tuple[Path, Path]
    paired: bool = False
    json: bool = False


def main(arguments: list[str]) -> int:
    """Measure, and print a card; returns the exit status."""
    known = f"Known: {', '.join(EVALUATIONS)}."
    if wants_help(arguments[:1]):
        print(f"{__doc__}\n\n{known} clarion evaluate NAME --help shows its options.")
        raise SystemExit(0)
    if not arguments:
        raise ClarionError(f"Name what is to be measured: clarion evaluate NAME SAMPLES. {known}")
    if arguments[0].startswith("--"):
        return _compare(arguments)
    kind = EVALUATIONS[arguments[0]]()

    def collect(
        evaluation: Annotated[kind, tyro.conf.arg(name="")],  # pyright: ignore
        options: Annotated[Options, tyro.conf.arg(name="")] = Options(),
    ) -> tuple[Any, Options]:
        return evaluation, options

    prog = f"clarion evaluate {arguments[0]}"
    words = sys.modules[kind.__module__].__doc__
    evaluation, options = tyro.cli(collect, args=arguments[1:], prog=prog, description=words)
    with CountProgress("measuring") as progress:
        card = evaluation.run(progress.count)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.out, card.to_json())
    print(json.dumps(card.to_json())) if options.json else Console().print(card)
    return 0


def _compare(arguments: list[str]) -> int:
    asked = tyro.cli(Compared, args=arguments, prog="clarion evaluate", description=__doc__)
    first, second = map(MetricCard.read, asked.compare)
    found = compare(first, second, asked.paired)
    print(json.dumps(found.to_json())) if asked.json else Console().print(found)
    return 0
