"""Do the measures of `clarion evaluate images` say what they should? On garments of Fashion-MNIST.

- frechet: with the Inception network, of pictures to themselves; of one half to another, beside the
  bias that Gaussian features would have; and of pictures made worse, at three levels of blur and of
  noise, to others.
- kernel: its mean over pairs of disjoint sets of real pictures, whose distance is 0, and how often
  its interval holds 0.
- audit: how often it finds 1 % of copies, exact or changed, among samples that are real pictures,
  and its p-values over splits where there is none.
- adherence: the share of real pictures of which the judge names the class, and how it falls with
  labels that are wrong.
- footprint: memory and time of the command on 50,000 samples, with a function for a network.

Inception takes a quarter of a second a picture on one core; its features are kept in --cache. Parts
that are not asked for stay as they are in the file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clarion.domains.image.codec import to_uint8
from clarion.domains.image.extractors import Inception, open_extractor
from clarion.domains.tables import RECIPES
from clarion.evaluate.adherence import adherence_metrics
from clarion.evaluate.frechet import frechet_distance
from clarion.evaluate.frechet_metrics import frechet_metrics
from clarion.evaluate.jackknife import deal
from clarion.evaluate.kernel import kernel_metric
from clarion.evaluate.labelled import Labelled
from clarion.evaluate.memory import MemoryAudit
from clarion.evaluate.metric import Metric
from clarion.evaluate.moments import Moments, sample_moments
from clarion.guide.measurement.operators import Blur
from clarion.lab.experiments.frechet_bias import bias_constant
from clarion.run.files import read_tensors, write_tensors
from harness import Benchmark

HALF, FEW, CHUNK = 2200, 256, 100
"""Pictures of each half, of each kind that is made worse, and of one file of features."""

LEVELS = {"blur": (0.5, 1.0, 2.0), "noise": (0.05, 0.1, 0.2)}
"""Standard deviations: of the kernel in pixels; of the noise, where 1 is from black to white."""


NUM_COPIES = 22
"""Pictures of the first half that are also seen as copies."""


def blurred(pictures: Tensor, sigma: float) -> Tensor:
    """Pictures (n, 1, 28, 28) uint8, blurred."""
    return to_uint8(Blur(sigma, "reflected")(pictures.float() / 255))


def noisy(pictures: Tensor, deviation: float) -> Tensor:
    """Pictures (n, 1, 28, 28) uint8 with noise."""
    unit, generator = pictures.float() / 255, torch.Generator().manual_seed(0)
    return to_uint8(unit + deviation * torch.randn(unit.shape, generator=generator))


WORSE: dict[str, Callable[[Tensor, float], Tensor]] = {"blur": blurred, "noise": noisy}

COPIES: dict[str, Callable[[Tensor], Tensor]] = {
    "exact": lambda pictures: pictures,
    "noise of 0.05": lambda pictures: noisy(pictures, 0.05),
    "shifted by a pixel": lambda pictures: pictures.roll(1, -1),
}


class Garments:
    """All 60,000 pictures of the training, in a random order, and their Inception features.

    Args:
        cache: folder where features are kept.
        weights: of the network.
    """

    def __init__(self, cache: Path, weights: Path | None) -> None:
        examples = RECIPES["fashion"]().data.open()
        order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))
        self.pixels, condition = examples.batch(order)
        self.labels = condition.values["label"]
        self._cache, self._weights = cache, weights
        self._network: Inception | None = None

    def features(self, name: str, pictures: Tensor) -> Tensor:
        """(n, 2048) of pictures that are known by a name, a hundred at a time."""
        found = []
        for number, part in enumerate(pictures.split(CHUNK)):
            path = self._cache / f"{name}-{number:03}.safetensors"
            if not path.is_file():
                self._network = self._network or Inception(self._weights, torch.device("cpu"))
                path.parent.mkdir(parents=True, exist_ok=True)
                write_tensors(path, {"features": self._network(part)})
            found.append(read_tensors(path)["features"])
        return torch.cat(found)

    def half(self, which: int) -> Tensor:
        """Features of the first or the second half of some pictures."""
        rows = slice(which * HALF, (which + 1) * HALF)
        return self.features(f"half-{which}", self.pixels[rows])

    def worse(self, how: str, level: float) -> Tensor:
        """Features of the first pictures of the second half, made worse."""
        pictures = self.pixels[HALF : HALF + FEW]
        return self.features(f"{how}-{level:g}", WORSE[how](pictures, level))

    def copied(self, how: str) -> Tensor:
        """Features of the first pictures of the first half, changed as copies may be."""
        pictures = COPIES[how](self.pixels[:NUM_COPIES])
        return self.features(f"copies-{how}".replace(" ", "-"), pictures)


def shown(metric: Metric) -> dict[str, Any]:
    """A number and its interval, to be written."""
    return {"value": metric.value, "low": metric.low, "high": metric.high, "n": metric.n}


def dealt(features: Tensor) -> list[Tensor]:
    """In groups, by which intervals are taken."""
    return [features[group] for group in deal(len(features), seed=0)]


def frechet(garments: Garments) -> dict[str, Any]:
    """Distances that must be 0, must be the bias, and must rise."""
    a, b = garments.half(0), garments.half(1)
    reference = Moments.of(a)
    known = reference.mean, reference.covariance
    halves = frechet_metrics([Moments.of(part) for part in dealt(b)], reference)
    pooled = sample_moments(torch.cat([a, b]))[1]
    worse = {"none": {"0": frechet_distance(*known, *sample_moments(b[:FEW]))}}
    for how, levels in LEVELS.items():
        worse[how] = {
            f"{level:g}": frechet_distance(*known, *sample_moments(garments.worse(how, level)))
            for level in levels
        }
    return {
        "of_itself": frechet_distance(*known, *known),
        "of_halves": {name: shown(metric) for name, metric in halves.items()},
        "predicted_bias_of_halves": 2 * bias_constant(pooled, pooled) / HALF,
        "predicted_bias_of_one_half": bias_constant(pooled, pooled) / HALF,
        "n_of_worse": FEW,
        "of_worse": worse,
    }


def kernel(garments: Garments) -> dict[str, Any]:
    """The kernel distance of disjoint sets of real pictures."""
    pixels = open_extractor("pixels")
    inception = torch.cat([garments.half(0), garments.half(1)])
    sets = {
        "inception": inception.split(100),
        "pixels": [pixels(part) for part in garments.pixels.split(1000)],
    }
    found = {}
    for name, parts in sets.items():
        metrics = [
            kernel_metric(dealt(x), dealt(y)) for x, y in zip(parts[::2], parts[1::2], strict=True)
        ]
        values = np.array([metric.value for metric in metrics])
        found[name] = {
            "n_of_a_set": len(parts[0]),
            "pairs": len(metrics),
            "mean": values.mean(),
            "standard_error": values.std(ddof=1) / len(values) ** 0.5,
            "deviation": values.std(ddof=1),
            "intervals_that_hold_0": sum(m.low <= 0 <= m.high for m in metrics),  # pyright: ignore
        }
    return found


def audited(samples: Tensor, training: Tensor, held_out: Tensor, most_pairs: int = 1) -> Any:
    """What the audit says."""
    audit = MemoryAudit(samples)
    audit.show_training(training)
    audit.show_held_out(held_out)
    return audit.result(most_pairs=most_pairs)


def p_values(features: Tensor, n: int, repeats: int) -> list[float]:
    """Of samples, training and held-out pictures that are dealt anew, n of each."""
    found = []
    for seed in range(repeats):
        order = torch.randperm(len(features), generator=torch.Generator().manual_seed(seed))
        parts = [features[order[i * n : (i + 1) * n]] for i in range(3)]
        found.append(audited(*parts).metrics["memorisation p"].value)
    return sorted(found)


def power(features: Tensor, copies: Tensor, sizes: Sequence[int], repeats: int) -> dict[str, Any]:
    """How often copies are found.

    Args:
        features: of real pictures; those with copies come first.
        copies: features of as many copies of the first pictures as are put among the samples.
        sizes: numbers of samples, of training pictures and of held-out ones.
        repeats: how often all but the copies are dealt anew.
    """
    n, m, h = sizes
    count, p, listed = len(copies), [], []
    for seed in range(repeats):
        order = torch.randperm(len(features) - count, generator=torch.Generator().manual_seed(seed))
        order += count
        samples = torch.cat([features[order[: n - count]], copies])
        training = torch.cat([features[:count], features[order[n : n + m - count]]])
        held_out = features[order[n + m : n + m + h]]
        audit = audited(samples, training, held_out, most_pairs=count)
        p.append(audit.metrics["memorisation p"].value)
        listed.append(sum(pair.sample >= n - count for pair in audit.pairs) / count)
    return {
        "copies": count,
        "p": sorted(p),
        "share_with_p_below_0.01": float(np.mean(np.array(p) < 0.01)),
        "share_of_copies_among_as_many_pairs": float(np.mean(listed)),
    }


def audit(garments: Garments, repeats: int, is_quick: bool) -> dict[str, Any]:
    """Power and false alarms of the audit, on pixels and on features of Inception."""
    pixels = open_extractor("pixels")
    n = 500 if is_quick else 5000
    all_pixels = pixels(garments.pixels)
    inception = torch.cat([garments.half(0), garments.half(1)])
    found: dict[str, Any] = {
        "pixels": {"sizes_of_power": [2 * n, n, n], "size_of_splits": n},
        "inception": {"sizes_of_power": [1400, 1500, 1500], "size_of_splits": 1400},
    }
    for name, features, size in (("pixels", all_pixels, n), ("inception", inception, 1400)):
        p = np.array(p_values(features, size, repeats))
        found[name]["without_copies"] = {
            "splits": repeats,
            "p": p.tolist(),
            "share_below_0.05": float((p < 0.05).mean()),
            "share_below_0.01": float((p < 0.01).mean()),
        }
    for how, change in COPIES.items():
        copies = pixels(change(garments.pixels[: n // 50]))
        sizes = found["pixels"]["sizes_of_power"]
        found["pixels"][how] = power(all_pixels, copies, sizes, max(2, repeats // 10))
        sizes = found["inception"]["sizes_of_power"]
        few = garments.copied(how)[:14]
        found["inception"][how] = power(inception, few, sizes, max(2, repeats // 2))
    return found


def adherence(garments: Garments) -> dict[str, Any]:
    """The judge of one half, asked about the other, and about labels of which a fifth is wrong."""
    names, labels = tuple(map(str, range(10))), garments.labels[: 2 * HALF]
    wrong = torch.where(torch.arange(2 * HALF) % 5 == 0, (labels + 1) % 10, labels)

    def half(which: int, labels: Tensor) -> Labelled:
        rows = slice(which * HALF, (which + 1) * HALF)
        return Labelled(dealt(garments.half(which)), dealt(labels[rows]), names)

    right, mixed = (adherence_metrics(half(1, of), half(0, labels)) for of in (labels, wrong))
    return {
        "right": {name: shown(metric) for name, metric in right.items()},
        "a_fifth_wrong": {name: shown(metric) for name, metric in mixed.items()},
    }


NETWORK = """
import torch

torch.set_num_threads(1)
WEIGHTS = torch.randn(3 * 32 * 32, FEATURES, generator=torch.Generator().manual_seed(0)) / 55

def features(pictures):
    return (pictures.flatten(1).float() / 255 @ WEIGHTS).relu()
"""

MEASURED = """
import sys
from pathlib import Path
import torch
from clarion.cli.main import main

def peak():  # what getrusage tells would count the process that started this one
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("VmHWM"))

torch.set_num_threads(1)
before = peak()
assert main(sys.argv[1:]) == 0
print(before, peak())
"""


def footprint(n: int, num_features: int) -> dict[str, Any]:
    """Memory and time of the whole command, all metrics, on n samples of 32x32 in colour."""
    with TemporaryDirectory() as folder:
        place, rng = Path(folder), np.random.default_rng(0)
        (place / "network.py").write_text(f"FEATURES = {num_features}\n{NETWORK}")
        labels = np.arange(n) % 10
        samples = rng.random((n, 3, 32, 32), np.float32)
        np.savez(place / "samples.npz", samples=samples, condition_label=labels)
        images = (255 * samples[::-1].transpose(0, 2, 3, 1)).astype(np.uint8)
        np.savez(place / "real.npz", images=images, labels=labels)
        words = ["evaluate", "images", "samples.npz", "--reference", "real.npz", "--json"]
        words += ["--extractor", "network.py#features", "--batch-size", "256"]
        words += ["--metrics", "fid", "kid", "prdc", "adherence", "diversity"]
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *words],
            cwd=place,
            env={**os.environ, "CLARION_CACHE": str(place / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - start
    before, after = map(int, done.stdout.splitlines()[-1].split())
    return {
        "samples": n,
        "features": num_features,
        "peak_gb": after * 1024 / 1e9,
        "gb_of_imports": before * 1024 / 1e9,
        "seconds": seconds,
    }


PARTS = ("frechet", "kernel", "adherence", "audit", "footprint")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--cache", type=Path, default=Path("out/metrics"))
    parser.add_argument("--features", type=int, default=2048, help="of the part footprint")
    parser.add_argument("--weights", type=Path, help="of the Inception network")


def main() -> None:
    """Measure, write."""
    benchmark = Benchmark(__file__, __doc__ or "", add_options)
    options = benchmark.options
    results: dict[str, Any] = {}
    if options.out.is_file():
        results = json.loads(options.out.read_text())["results"]
    garments = Garments(options.cache, options.weights)
    repeats = 10 if options.quick else 100
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "frechet": lambda: frechet(garments),
        "kernel": lambda: kernel(garments),
        "adherence": lambda: adherence(garments),
        "audit": lambda: audit(garments, repeats, options.quick),
        "footprint": lambda: footprint(5000 if options.quick else 50_000, options.features),
    }
    for part in options.parts:
        start = time.perf_counter()
        results[part] = measures[part]()
        results[part]["seconds_of_this_part"] = time.perf_counter() - start
        benchmark.write({"half": HALF, "few": FEW, "levels": LEVELS}, results)
        benchmark.console.print(part, results[part])


if __name__ == "__main__":
    main()
