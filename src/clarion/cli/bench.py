"""`clarion bench image [RECIPE]`: Clarion, DDPM, NCSN++, a GAN and a VAE at equal compute.

Trains all of them on the same data, with networks of like size and as many floating-point
operations each, or takes what is in --out; draws samples, measures them, and writes a table
(bench.md, bench.json), charts (evaluations.png, seconds.png) and samples (samples.png). RECIPE is
Clarion's own training, `fashion` if nothing is said; its settings are flags as in `clarion train`,
and the others are made like it. What is stopped goes on with the same command.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markdown import Markdown

from clarion.base.errors import ClarionError
from clarion.base.names import NameTable
from clarion.cli.progress import CountProgress
from clarion.cli.training import Options as TrainOptions
from clarion.cli.training import in_full, parse_settings, train, wants_help
from clarion.domains.image.bench.bench import BenchConfig, ImageBench
from clarion.domains.image.bench.report import write_report
from clarion.domains.image.data import ImageData
from clarion.domains.image.recipes import NOT_NAMED
from clarion.domains.prepare import prepare
from clarion.domains.tables import RECIPES
from clarion.nets.unet import UNetConfig
from clarion.run.config import TrainConfig, TrainingConfig
from clarion.run.device import choose_device
from clarion.run.folder import CONFIG

KINDS = NameTable("bench", {"image": ImageData})


@dataclass(frozen=True)
class Options:
    """Where, and how much.

    Args:
        out: folder of the comparison.
        device: where to compute.
        bench: how much is spent, and what is measured.
    """

    out: Path = Path("bench")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    bench: BenchConfig = field(default_factory=BenchConfig)


SHORT_FORMS = {f"--{name}": f"--bench.{name}" for name in ("budget", "n", "extractor", "weights")}


def main(arguments: list[str]) -> int:
    """Compare, and print the table; returns the exit status."""
    if wants_help(arguments[:1]):
        print(f"{__doc__}\nclarion bench image --help shows its options.")
        raise SystemExit(0)
    if not arguments:
        raise ClarionError("Name what is to be compared: clarion bench image.")
    KINDS[arguments[0]]
    options, training = parse(arguments[1:])
    device = choose_device(options.device)
    console = Console()

    def train_in(config: TrainingConfig, run: Path) -> None:
        is_begun = (run / CONFIG).is_file()
        where = replace(
            TrainOptions(resume=run) if is_begun else TrainOptions(out=run), device=options.device
        )
        train("clarion train", "bench", where, config, prepare, describes_data=False)

    bench = ImageBench(
        options.bench, training, options.out, device, train_in, CountProgress, console.print
    )
    rows = bench.run()
    files = write_report(rows, options.out, device)
    console.print(Markdown((options.out / "bench.md").read_text()))
    console.print(f"Written: {', '.join(map(str, files))}", highlight=False)
    return 0


def parse(arguments: list[str]) -> tuple[Options, TrainConfig]:
    """Options and Clarion's own training from the words behind `clarion bench image`.

    Raises:
        ClarionError: for a recipe that is not of pictures, or settings that cannot be.
    """
    is_named = bool(arguments) and not arguments[0].startswith("-")
    recipe = arguments[0] if is_named else "fashion"
    default = RECIPES[recipe]()
    if not isinstance(default, TrainConfig) or not isinstance(default.network, UNetConfig):
        raise ClarionError(
            f"The recipe {recipe!r} is not that of a diffusion model of pictures; take 'fashion', "
            "or 'images' for your own."
        )
    words = [in_full(word, SHORT_FORMS) for word in arguments[is_named:]]
    options, training = parse_settings(
        words,
        Options,
        default,
        command=f"clarion bench image {recipe}",
        description=__doc__ or "",
    )
    if training.num_steps != default.num_steps:
        raise ClarionError("num_steps follows from the budget: leave it out, and set --budget.")
    if training.data.source == NOT_NAMED:
        raise ClarionError("Name the data: --data FILE, a folder, or a hub name.")
    return options, training


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
