"""What guidance rules do to garments: how many are of the class asked for, and how varied.

For each rule and scale the same numbers of samples are drawn, of the same seeds, ten classes in
turn. An independent classifier (`garment_classifier.py`) names each sample: `accuracy` is the share
named as asked. `diversity` is the mean distance, in the classifier's features, of two samples of
one class, relative to that of two test pictures; 1 is as varied as the data. Intervals hold 95 %:
Wilson's for shares, and for distances the jackknife's (`clarion.evaluate.diversity`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

import clarion
from clarion.base.chart import COLOURS
from clarion.evaluate.diversity import diversity_metric
from clarion.evaluate.jackknife import deal
from clarion.evaluate.labelled import Labelled
from clarion.evaluate.metric import Metric, share
from garment_classifier import (
    GarmentClassifier,
    accuracy_on_test_pictures,
    batch,
    garments,
    load_or_train,
)
from harness import Benchmark

SCALES = (1.0, 1.5, 2.0, 3.0, 5.0, 8.0)


def rules(weak: str | None) -> dict[str, str]:
    """Name -> how the rule is typed, SCALE standing for its scale."""
    known = {
        "cfg": "cfg:SCALE",
        "interval": "cfg:SCALE@0.2-0.7",
        "apg": "apg:SCALE",
        "cfgpp": "cfgpp:SCALE",
        "auto": f"auto:{weak}:SCALE",
    }
    return {name: text for name, text in known.items() if weak or name != "auto"}


def scales_of(name: str) -> Sequence[float]:
    """CFG++ interpolates: its scale lies in [0, 1]."""
    return (0.1, 0.2, 0.4, 0.6, 0.8, 1.0) if name == "cfgpp" else SCALES


def dealt(features: Tensor, labels: Tensor) -> Labelled:
    """Features and their classes in groups, by which intervals are taken."""
    groups = deal(len(features), seed=0)
    names = tuple(map(str, range(10)))
    return Labelled([features[g] for g in groups], [labels[g] for g in groups], names)


def judged(
    samples: Tensor, labels: Tensor, classifier: GarmentClassifier, reference: Labelled
) -> dict[str, Any]:
    """Accuracy and diversity, each with its 95 % interval."""
    return {
        "accuracy": shown(share(int((classifier(samples).argmax(1) == labels).sum()), len(labels))),
        "diversity": shown(diversity_metric(dealt(classifier.embed(samples), labels), reference)),
    }


def shown(metric: Metric) -> dict[str, float | None]:
    """A number and its interval, to be written."""
    return {"value": metric.value, "low": metric.low, "high": metric.high}


def chart(results: dict[str, Any], of_data: float) -> Figure:
    """What each scale gains, what it costs, and the one against the other.

    Args:
        results: rule -> scale -> what was measured.
        of_data: share of the test pictures that are named rightly; dotted, as is their diversity.
    """
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    gain, cost, trade = figure.subplots(1, 3)
    for (name, rows), colour in zip(results.items(), COLOURS, strict=False):
        scales = [float(scale) for scale in rows]
        accuracy, diversity = ([row[what] for row in rows.values()] for what in WHAT)
        style = {"color": colour, "marker": "o", "markersize": 3, "linewidth": 1, "capsize": 2}
        for axes, points in ((gain, accuracy), (cost, diversity)):
            axes.errorbar(scales, values(points), errors(points), label=name, **style)
        trade.errorbar(
            values(accuracy), values(diversity), errors(diversity), errors(accuracy), **style
        )
    for axes in (gain, cost):
        axes.set(xscale="log", xlabel="guidance scale")
        ticks = (0.1, 0.2, 0.5, 1, 2, 5, 8)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    gain.set(ylim=(0.8, 1.01))
    gain.axhline(of_data, color=COLOURS[-1], linestyle=":")
    cost.set(ylim=(0.6, 1.2))
    cost.axhline(1, color=COLOURS[-1], linestyle=":")
    trade.set(xlim=(0.8, 1.01), ylim=(0.6, 1.2), xlabel="named as asked", ylabel="diversity")
    trade.plot([of_data], [1], "*", color=COLOURS[-1], markersize=9)
    titles = ("named as asked", "diversity within a class", "one against the other")
    for axes, title in zip((gain, cost, trade), titles, strict=True):
        axes.set_title(title, fontsize=11, loc="left")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    cost.legend(fontsize=8, frameon=False)
    return figure


WHAT = ("accuracy", "diversity")


def values(points: list[dict[str, float]]) -> list[float]:
    """The middles of intervals."""
    return [point["value"] for point in points]


def errors(points: list[dict[str, float]]) -> list[list[float]]:
    """How far intervals reach, down and up."""
    return [
        [point["value"] - point["low"] for point in points],
        [point["high"] - point["value"] for point in points],
    ]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--model", default="models/fashion")
    parser.add_argument("--weak", help="weaker model of the same process, RUN@STEP, for `auto`")
    parser.add_argument(
        "--classifier", type=Path, default=Path("out/garment_classifier.safetensors")
    )
    parser.add_argument("--samples", type=int, default=500, help="for each setting")
    parser.add_argument("--sampler", default="ddim")
    parser.add_argument("--num-steps", type=int, default=20)
    parser.add_argument("--chart", type=Path, help="a .png file")
    parser.add_argument("--redraw", action="store_true", help="the chart of the last results alone")


def main() -> None:
    """Draw, judge, write."""
    benchmark = Benchmark(__file__, __doc__ or "", add_options)
    options = benchmark.options
    if options.redraw:
        record = json.loads((Path(__file__).parent / "results" / "guidance.json").read_text())
        of_data = record["settings"]["classifier_accuracy"]
        chart(record["results"], of_data).savefig(options.chart, dpi=110)
        return
    n = 60 if options.quick else options.samples
    classifier, model = load_or_train(options.classifier), clarion.load(options.model)
    pictures, names = batch(garments("test"), torch.arange(2000))
    reference = dealt(classifier.embed(pictures), names)
    labels = torch.arange(n) % 10
    results: dict[str, Any] = {}
    settings = {
        "samples": n, "sampler": options.sampler, "num_steps": options.num_steps,
        "classifier_accuracy": accuracy_on_test_pictures(classifier), "rules": rules(options.weak),
    }  # fmt: skip
    for name, text in rules(options.weak).items():
        results[name] = {}
        for scale in scales_of(name):
            before, given = (
                model.denoiser.num_evaluations,
                model.rules(text.replace("SCALE", str(scale))),
            )
            samples = model.sample(
                n,
                condition={"label": labels.tolist()},
                guidance=given,
                sampler=options.sampler,
                num_steps=options.num_steps,
                precision="bfloat16",
                batch_size=100,
            )
            evaluations = model.denoiser.num_evaluations - before
            evaluations += sum(rule.num_evaluations for rule in given)
            row = judged(samples, labels, classifier, reference)
            results[name][str(scale)] = row | {"evaluations_per_sample": evaluations / n}
            benchmark.console.print(name, scale, results[name][str(scale)])
            benchmark.write(settings, results)
    if options.chart:
        chart(results, settings["classifier_accuracy"]).savefig(options.chart, dpi=110)


if __name__ == "__main__":
    main()
