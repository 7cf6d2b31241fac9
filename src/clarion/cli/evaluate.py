"""`clarion evaluate NAME SAMPLES`: how good samples are, in numbers with intervals."""

# Annotations are evaluated here, not kept as text: those of the evaluation are found out first.

import json
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import tyro
from rich.console import Console

from clarion.base.errors import ClarionError
from clarion.cli.progress import CountProgress
from clarion.cli.training import wants_help
from clarion.domains.tables import EVALUATIONS


@dataclass(frozen=True)
class Options:
    """How to print.

    Args:
        json: print JSON.
    """

    json: bool = False


def main(arguments: list[str]) -> int:
    """Measure, and print a card; returns the exit status."""
    known = f"Known: {', '.join(EVALUATIONS)}."
    if wants_help(arguments[:1]):
        print(f"{__doc__}\n\n{known} clarion evaluate NAME --help shows its options.")
        raise SystemExit(0)
    if not arguments:
        raise ClarionError(f"Name what is to be measured: clarion evaluate NAME SAMPLES. {known}")
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
    print(json.dumps(card.to_json())) if options.json else Console().print(card)
    return 0
