"""Molecules of QM9 as SMILES and as SELFIES: how good they are, and what steering them costs.

A model of each notation is trained by `clarion train sequences` on all of QM9, conditioned on QED
and on the number of rings, which are computed from the molecules. Measured are

- without any condition: what is valid, unique and novel, and the Fréchet ChemNet distance of the
  first valid ones to as many real ones (`fcd`), beside that of as many other real ones (its
  floor), after 32 and 64 steps;
- steered towards the 99th percentile of one property by classifier-free guidance: how many of the
  draws are valid, unique and novel, and the mean property of these, scale by scale (the protocol of
  Schiff et al. 2025, arXiv 2412.10193, on QM9, with the number itself in place of a class);
- the same towards a number of rings by the gradient of a classifier of noisy molecules;
- drawn by particles, weighed by RDKit's QED itself, of which the model is then told nothing.

QM9 (Ruddigkeit et al. 2012, doi 10.1021/ci300415d; Ramakrishnan et al. 2014, doi
10.1038/sdata.2014.22) is not part of this project: `--data` names a table with its SMILES.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

import clarion
from clarion.base.chart import COLOURS
from clarion.base.errors import ClarionError
from clarion.cli.main import main as clarion_command
from clarion.domains.sequence.molecules.chemistry import canonical, parse, to_selfies
from clarion.domains.sequence.molecules.drawing import draw
from clarion.domains.sequence.molecules.evaluation import read_smiles
from clarion.domains.sequence.molecules.fcd import distance, features
from clarion.domains.sequence.molecules.judge import Molecule, judge, metrics, new_ones
from clarion.domains.sequence.molecules.properties import PROPERTIES
from clarion.domains.sequence.molecules.reward import property_reward
from clarion.domains.sequence.writing import in_smiles
from clarion.sample.particles import ParticleSampler
from harness import Benchmark

TRAINING = (
    "--conditions qed=vector rings=class --condition-dropout 0.5 --network.width 192 "
    "--network.num-blocks 4 --network.head-width 32 --batch-size 256 --num-steps 4000 "
    "--optimizer.learning-rate 3e-3 --optimizer.matrices muon --precision bfloat16 "
    "--checkpoint-every 500 --validate-every 500"
)
MODELS = {
    "smiles": "--alphabet smiles",
    "selfies": "--alphabet selfies",
    "smiles_uniform": "--alphabet smiles --process uniform",
}
"""Name -> what tells it from the others."""

CLASSIFIER = (
    "--label rings --network.width 64 --batch-size 256 --num-steps 800 --precision bfloat16 "
    "--checkpoint-every 800 --validate-every 800"
)
"""Of noisy molecules, by their number of rings."""

LABELS = {"smiles": "SMILES", "selfies": "SELFIES", "smiles_uniform": "SMILES, uniform noise"}
PARTS = ("plain", "steered", "classifier", "particles")
STEPS = (32, 64)
SCALES = (1.0, 2.0, 3.0, 5.0)
STEERED = ("qed", "rings")
QUANTILE = 0.99
PARTICLE_SCALE, NUM_PARTICLES = 30.0, 16
UNITS = {"qed": "QED", "rings": "rings"}


def train(folder: Path, name: str, data: Path) -> clarion.Model:
    """The model in its folder, trained if there is none."""
    if not (folder / name / "model.safetensors").is_file():
        words = f"train sequences {MODELS[name]} {TRAINING} --json".split()
        where = ["--data", str(data), "--out", str(folder / name)]
        assert clarion_command([*words, *where]) == 0, "its message says why"
    return clarion.load(folder / name)


def survives_selfies(smiles: str) -> bool:
    """Whether SELFIES lead back to the same molecule."""
    try:
        to_selfies(smiles)
    except ClarionError:
        return False
    return True


def describe(known: Sequence[str]) -> dict[str, Any]:
    """What the data are, and what is asked for: the 99th percentile of each property."""
    values = {name: np.array([PROPERTIES[name](parse(text)) for text in known]) for name in STEERED}
    return {
        "molecules": len(known),
        "different": len(set(known)),
        "lost_in_selfies": sum(not survives_selfies(text) for text in known),
        "mean": {name: float(of.mean()) for name, of in values.items()},
        "asked": {name: float(np.quantile(of, QUANTILE)) for name, of in values.items()},
    }


def train_classifier(folder: Path, name: str, data: Path) -> Path:
    """The folder of a classifier for the model `name`, trained if there is none."""
    out = folder / f"{name}_rings"
    if not (out / "model.safetensors").is_file():
        words = ["train-classifier", str(folder / name), *CLASSIFIER.split(), "--json"]
        where = ["--data", str(data), "--out", str(out)]
        assert clarion_command([*words, *where]) == 0, "its message says why"
    return out


def sample(model: clarion.Model, n: int, **settings: Any) -> list[str]:
    """Draws, in SMILES."""
    tokens = model.sample(n, batch_size=256, precision="bfloat16", **settings)
    return in_smiles(model.codec.texts(tokens), model.codec)  # pyright: ignore


def plain(model: clarion.Model, n: int, known: set[str], real: Tensor) -> dict[str, Any]:
    """Draws without a condition: steps -> what was measured."""
    found = {}
    for steps in STEPS:
        start = time.perf_counter()
        texts = sample(model, n, num_steps=steps)
        seconds = time.perf_counter() - start
        molecules = judge(texts, known)
        valid = [m.canonical for m in molecules if m.canonical is not None]
        found[str(steps)] = {
            **card(molecules),
            "fcd": {
                "value": distance(features(valid[: len(real)]), real),
                "n": min(len(valid), len(real)),
            },
            "samples_per_s": n / seconds,
        }
    return found


def steered(
    model: clarion.Model, n: int, known: set[str], asked: dict[str, float]
) -> tuple[dict[str, Any], dict[str, list[Molecule]]]:
    """Property -> scale -> what was measured; and the draws at scale 3, without any at "plain"."""
    rows: dict[str, Any] = {}
    drawn = {"plain": judge(sample(model, n, num_steps=STEPS[0], seed=1), known)}
    for name in STEERED:
        rows[name] = {"0": card(drawn["plain"])}
        value = int(asked[name]) if name == "rings" else asked[name]  # a class, or a number
        for scale in SCALES:
            texts = sample(
                model, n, condition={name: value}, guidance=f"cfg:{scale}",
                num_steps=STEPS[0], seed=1,
            )  # fmt: skip
            molecules = judge(texts, known)
            rows[name][f"{scale:g}"] = card(molecules)
            if scale == 3:
                drawn[name] = molecules
    return rows, drawn


def by_classifier(
    model: clarion.Model, classifier: Path, n: int, known: set[str], rings: int
) -> dict[str, Any]:
    """Scale -> what was measured of draws towards so many rings, by a classifier's gradient."""
    return {
        f"{scale:g}": card(judge(
            sample(
                model, n, condition={"rings": rings}, num_steps=STEPS[0], seed=1,
                guidance=f"classifier:{classifier}:{scale},neighbours=first_order",
            ),
            known,
        ))
        for scale in SCALES
    }  # fmt: skip


def by_particles(model: clarion.Model, n: int, known: set[str]) -> dict[str, Any]:
    """Draws by RDKit's own QED, of which the model is told nothing: what was measured."""
    reward = property_reward(model.codec, "qed")  # pyright: ignore
    start = time.perf_counter()
    sampler = ParticleSampler(reward, PARTICLE_SCALE, NUM_PARTICLES)
    texts = sample(model, n, num_steps=STEPS[0], seed=1, sampler=sampler)
    return card(judge(texts, known)) | {"seconds": time.perf_counter() - start}


def card(molecules: Sequence[Molecule]) -> dict[str, Any]:
    """The metrics of some draws as plain types."""
    return {
        name: {key: value for key, value in asdict(metric).items() if value not in (None, "")}
        for name, metric in metrics(molecules).items()
    }


def speed(folder: Path) -> dict[str, float]:
    """What the log of a training tells: steps, tokens a second, and the last validation loss."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    reports = [line for line in lines if "loss" in line]
    losses = [line["validation"]["mean"] for line in lines if "validation" in line]
    length = clarion.load(folder).config.shape[0]
    rate = float(np.median([line["examples_per_s"] for line in reports]))
    return {
        "steps": reports[-1]["step"],
        "tokens_per_s": rate * length,
        "validation_loss": losses[-1],
    }


def chart(models: dict[str, Any], asked: dict[str, float], of_data: dict[str, float]) -> Figure:
    """Share of draws that are valid, unique and novel against the mean property of these."""
    figure = Figure(figsize=(9.5, 4), layout="constrained")
    panels = figure.subplots(1, len(STEERED))
    for name, axes in zip(STEERED, panels, strict=True):
        for (key, found), colour in zip(models.items(), COLOURS, strict=False):
            curve(axes, found["steered"][name], name, color=colour, label=LABELS[key])
            if name == "qed" and "particles" in found:
                one, label = {"": found["particles"]}, f"{LABELS[key]}, particles"
                curve(axes, one, name, color=colour, label=label, marker="*", markersize=9)
            if name == "rings" and "classifier" in found:
                rows, label = found["classifier"], f"{LABELS[key]}, classifier"
                curve(axes, rows, name, color=colour, label=label, linestyle="--")
        axes.axhline(asked[name], color=COLOURS[5], linestyle=":", label="asked for")
        axes.axhline(of_data[name], color=COLOURS[5], linewidth=0.8, label="mean of QM9")
        axes.set(xlabel="valid, unique and novel, of all draws")
        axes.set_ylabel(f"mean {UNITS[name]} of these")
        axes.set_title(f"towards {UNITS[name]} = {asked[name]:.2g}, by scale", fontsize=11)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(fontsize=7, frameon=False)
    return figure


def curve(axes: Axes, rows: dict[str, Any], name: str, **style: Any) -> None:
    """One point a scale, with intervals; where nothing was novel there is none."""
    share, value = "valid, unique and novel", f"{name} of the novel"
    points = {
        scale: (row[share], {"low": row[value]["value"], "high": row[value]["value"]} | row[value])
        for scale, row in rows.items()
        if value in row
    }
    across, up = zip(*points.values(), strict=True)
    axes.errorbar(
        [m["value"] for m in across], [m["value"] for m in up],
        [[m["value"] - m["low"] for m in up], [m["high"] - m["value"] for m in up]],
        [[m["value"] - m["low"] for m in across], [m["high"] - m["value"] for m in across]],
        **{"marker": "o", "markersize": 4, "linewidth": 1, "elinewidth": 0.6} | style,
    )  # fmt: skip
    for scale, (x, y) in points.items():
        words, place = "none" if scale == "0" else scale, (x["value"], y["value"])
        axes.annotate(words, place, (4, 4), textcoords="offset points", fontsize=7)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--data", type=Path, required=True, help="a table with SMILES")
    parser.add_argument("--models", type=Path, required=True, help="folder of the trained models")
    parser.add_argument("--names", nargs="*", default=["smiles", "selfies"], choices=MODELS)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--n", type=int, default=3000, help="draws without a condition")
    parser.add_argument("--n-fcd", type=int, default=2500, help="valid ones of these")
    parser.add_argument("--n-steered", type=int, default=1024)
    parser.add_argument("--chart", type=Path, help="the trade-off, a .png file")
    parser.add_argument("--picture", type=Path, help="draws of the first model, a .png file")


def main() -> None:
    """Train, draw, measure, write."""
    benchmark = Benchmark(__file__, __doc__ or "", add_options)
    options = benchmark.options
    n, n_fcd, n_steered = options.n, options.n_fcd, options.n_steered
    if options.quick:
        n, n_fcd, n_steered = 200, 100, 64
    results: dict[str, Any] = {"models": {}}
    if options.out.is_file():
        results = json.loads(options.out.read_text())["results"]
    smiles = read_smiles(str(options.data), None)
    known = [name for name in map(canonical, smiles) if name is not None]
    order = torch.randperm(len(known), generator=torch.Generator().manual_seed(0)).tolist()
    real = features([known[i] for i in order[:n_fcd]])
    if "data" not in results:
        others = features([known[i] for i in order[n_fcd : 2 * n_fcd]])
        results["data"] = describe(known) | {"fcd": {"value": distance(others, real), "n": n_fcd}}
    settings = {
        "training": TRAINING,
        "models": MODELS,
        "classifier": CLASSIFIER,
        "steps_steered": STEPS[0],
        "particles": NUM_PARTICLES,
        "particle_scale": PARTICLE_SCALE,
    }
    benchmark.write(settings, results)
    asked = results["data"]["asked"]
    for name in options.names:
        model = train(options.models, name, options.data)
        found = results["models"].setdefault(name, {})
        found["training"] = speed(options.models / name)
        if "plain" in options.parts:
            found["plain"] = plain(model, n, set(known), real)
        if "steered" in options.parts:
            found["steered"], drawn = steered(model, n_steered, set(known), asked)
            if options.picture and name == options.names[0]:
                chosen = [m.text for part in drawn.values() for m in new_ones(part)[:6]]
                options.picture.write_bytes(draw(chosen))
        if "classifier" in options.parts:
            classifier, rings = train_classifier(options.models, name, options.data), asked["rings"]
            found["classifier"] = by_classifier(
                model, classifier, n_steered, set(known), int(rings)
            )
        if "particles" in options.parts:
            found["particles"] = by_particles(model, n_steered // 4, set(known))
        benchmark.write(settings, results)
    if options.chart:
        of_data = results["data"]["mean"]
        chart(results["models"], asked, of_data).savefig(options.chart, dpi=110)


if __name__ == "__main__":
    main()
