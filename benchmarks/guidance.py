"""What guidance rules do to garments: how many are of the class asked for, and how varied.

For each rule and scale the same numbers of samples are drawn, of the same seeds, ten classes in
turn. An independent classifier (`garment_classifier.py`) names each sample: `accuracy` is the share
named as asked. `diversity` is the mean distance, in the classifier's features, of two samples of
one class, relative to that of two test pictures; 1 is as varied as the data. Intervals are those
of halves of the samples, drawn again and again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import clarion
from clarion.base.chart import Chart, Series
from garment_classifier import accuracy_on_test_pictures, batch, garments, load_or_train
from harness import Benchmark

SCALES = (1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
NUM_RESAMPLES = 200


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


def spread(features: Tensor, labels: Tensor) -> float:
    """Mean distance of two samples of one class, over the ten classes."""
    by_class = [features[labels == c] for c in range(10)]
    return sum(float(torch.pdist(part).mean()) for part in by_class) / 10


def judged(
    samples: Tensor, labels: Tensor, classifier: Any, reference: float, generator: torch.Generator
) -> dict[str, Any]:
    """Accuracy and diversity, each with its 95 % interval."""
    right = (classifier(samples).argmax(1) == labels).double()
    features = classifier.embed(samples)
    per_class = [torch.nonzero(labels == c)[:, 0] for c in range(10)]
    accuracies, diversities = [], []
    for _ in range(NUM_RESAMPLES):
        # Half of the samples of each class, without putting back: copies would have distance 0.
        chosen = torch.cat(
            [rows[torch.randperm(len(rows), generator=generator)[: len(rows) // 2]]
             for rows in per_class]
        )  # fmt: skip
        accuracies.append(float(right[chosen].mean()))
        diversities.append(spread(features[chosen], labels[chosen]) / reference)
    return {
        "accuracy": interval(float(right.mean()), accuracies),
        "diversity": interval(spread(features, labels) / reference, diversities),
    }


def interval(value: float, halves: list[float]) -> dict[str, float]:
    """The value and 1.96 deviations of it, which are those of halves drawn without return."""
    deviation = float(torch.tensor(halves).std())
    return {"value": value, "low": value - 1.96 * deviation, "high": value + 1.96 * deviation}


def chart(results: dict[str, Any]) -> Chart:
    """Diversity against accuracy: a row of points for each rule, along which its scale grows."""
    series = [
        Series(
            name,
            [row["accuracy"]["value"] for row in rows.values()],
            [row["diversity"]["value"] for row in rows.values()],
            "measured",
            hue,
            [(row["diversity"]["high"] - row["diversity"]["low"]) / 2 for row in rows.values()],
        )
        for hue, (name, rows) in enumerate(results.items())
    ]
    return Chart(
        "Garments: what steering gains and costs",
        "share named as asked, by an independent classifier",
        "diversity within a class (1: the data)",
        series,
    )


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


def main() -> None:
    """Draw, judge, write."""
    benchmark = Benchmark(__file__, __doc__ or "", add_options)
    options = benchmark.options
    n = 60 if options.quick else options.samples
    classifier, model = load_or_train(options.classifier), clarion.load(options.model)
    pictures, names = batch(garments("test"), torch.arange(2000))
    reference = spread(classifier.embed(pictures), names)
    labels, generator = torch.arange(n) % 10, torch.Generator().manual_seed(0)
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
            row = judged(samples, labels, classifier, reference, generator)
            results[name][str(scale)] = row | {"evaluations_per_sample": evaluations / n}
            benchmark.console.print(name, scale, results[name][str(scale)])
            benchmark.write(settings, results)
    if options.chart:
        options.chart.write_bytes(chart(results).png())


if __name__ == "__main__":
    main()
