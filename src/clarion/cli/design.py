"""`clarion design TABLE --target COLUMN`: new sequences with more (or less) of a measured number.

A diffusion model of the sequences and the number is trained, or the one in the folder is taken; an
ensemble of predictors judges what it draws. Written are designs.csv (each with its predicted value,
an interval, and the nearest known sequence), designs.png and design.json (what was tried).
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from clarion.cli.design_model import trained
from clarion.cli.progress import CountProgress
from clarion.cli.training import in_full
from clarion.domains.sequence.data import SequenceData
from clarion.domains.sequence.design.foresight import Foresight, foresight
from clarion.domains.sequence.design.judge import Judge
from clarion.domains.sequence.design.known import open_known, with_target
from clarion.domains.sequence.design.predictor import Predictor
from clarion.domains.sequence.design.report import picture, summary, to_csv
from clarion.domains.sequence.design.search import Search, SearchConfig
from clarion.domains.sequence.distance import nearest
from clarion.nets.transformer import TransformerConfig
from clarion.process.tokens import Masking
from clarion.run.config import OptimizerConfig, TrainConfig
from clarion.run.files import write_bytes, write_json
from clarion.run.functions import load_function
from clarion.train.ensemble import EnsembleConfig, fit_ensemble


@dataclass(frozen=True)
class Options:
    """What is wanted, of which data.

    Args:
        table: file with sequences and a number for each (.csv, .tsv, .parquet).
        target: column of the number.
        sequence_column: column of the sequences; None finds it.
        alphabet: what a token is: "auto", "protein", "dna", "smiles", "selfies".
        out: folder for the designs and the model; a model that is there is used again.
        num_steps: of the model's training.
        batch_size: examples in each of them.
        search: what is tried, and how many designs are wanted.
        ensemble: the predictors.
        network: sizes of the model.
        predictor: one of your own, FILE.py#FUNCTION: of sequences as vectors of one 1, (n, length,
            vocabulary), it says what is expected of each, (n,). It judges with the ensemble, and if
            torch can differentiate it, steers with it.
        json: print a summary as JSON.
    """

    table: Annotated[str, tyro.conf.Positional]
    target: str
    sequence_column: str | None = None
    alphabet: str = "auto"
    out: Path = Path("designs")
    num_steps: int = 3000
    batch_size: int = 128
    search: SearchConfig = field(default_factory=SearchConfig)
    ensemble: EnsembleConfig = field(default_factory=EnsembleConfig)
    network: TransformerConfig = field(
        default_factory=lambda: TransformerConfig(
            width=128, num_blocks=3, head_width=32, reads_noise_level=False
        )
    )
    predictor: str | None = None
    json: bool = False


SHORT_FORMS = {
    "--n": "--search.num-designs",
    "--diversity": "--search.diversity",
    "--minimise": "--search.minimise",
    "--seed": "--search.seed",
}


def main(arguments: list[str]) -> int:
    """Read, train, search, write; returns the exit status."""
    words = [in_full(word, SHORT_FORMS) for word in arguments]
    options = tyro.cli(Options, args=words, prog="clarion design", description=__doc__)
    data = SequenceData(options.table, column=options.sequence_column, alphabet=options.alphabet)
    # What cannot be used is said before the training.
    known = open_known(data, options.target)
    options.ensemble.check(len(known.texts))
    predictor = None
    if options.predictor is not None:
        predictor = Predictor(load_function(options.predictor), known)
        if not predictor.is_smooth and not options.json:
            print(f"{options.predictor} judges and does not steer: torch gives no slope of it.")
    model = trained(options.out, _training(options, with_target(data, options.target)), known)
    with CountProgress("predictors") as progress:
        size = known.vocabulary.size
        ensemble = fit_ensemble(known.tokens, known.values, size, options.ensemble, progress.count)
    sign = options.search.sign
    with CountProgress("foresight") as progress:
        foreseen = foresight(ensemble, known, options.ensemble, sign, progress.count)
    judge = Judge(ensemble, known, sign, options.search.level, predictor)
    with CountProgress("settings") as progress:
        designs = Search(model, judge, options.search).run(progress.count)
    near = nearest(designs.texts, known.texts)
    write_bytes(options.out / "designs.csv", to_csv(designs, known, near).encode())
    picture(designs, known, near, options.target).savefig(options.out / "designs.png", dpi=110)
    found = summary(designs, known, near, foreseen)
    write_json(options.out / "design.json", found)
    print(json.dumps(found) if options.json else _in_words(found, options, foreseen))
    return 0


def _training(options: Options, data: SequenceData) -> TrainConfig:
    """How the model is trained."""
    often = max(1, options.num_steps // 5)
    return TrainConfig(
        data=data,
        network=options.network,
        process=Masking(),
        optimizer=OptimizerConfig(learning_rate=1e-3),
        batch_size=options.batch_size,
        num_steps=options.num_steps,
        validate_every=often,
        checkpoint_every=often,
        seed=options.search.seed,
    )


def _in_words(found: dict, options: Options, foreseen: Foresight | None) -> str:
    low, high = found["known_best"]
    wanted, apart = options.search.num_designs, options.search.diversity
    count = f"{found['num_designs']} designs"
    if found["num_designs"] < wanted:
        count += f" of the {wanted} wanted (the model drew no more that are new)"
    short = f", {apart:g} were wanted" if found["diversity"] < apart else ""
    return (
        f"{count} in {options.out / 'designs.csv'}: "
        f"{options.target} predicted {found['predicted_median']:.4g} in the median (known: "
        f"{found['known_median']:.4g}, from {low:.4g} to {high:.4g}), asked for "
        f"{found['asked']:.4g} at scale {found['guidance_scale']:g}, steered at strength "
        f"{found['strength']:g}; "
        f"{found['median_distance_to_known']:.3g} edits from the nearest known, "
        f"{found['diversity']:.3g} from each other{short}.\n{_believable(foreseen)}"
    )


def _believable(foreseen: Foresight | None) -> str:
    if foreseen is None:
        return "There are too few known sequences to say how far predictions can be believed."
    beyond, within = foreseen.beyond, foreseen.within
    return (
        f"How far to believe predictions: the better half of what is known is ranked at "
        f"{beyond.value:.2f} {beyond.interval()} by predictors that saw the worse half alone, at "
        f"{within.value:.2f} {within.interval()} by those that saw parts of it (1 rightly, 0 by "
        "chance)."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
