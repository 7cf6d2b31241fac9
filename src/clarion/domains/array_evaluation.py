"""`clarion evaluate arrays SAMPLES --reference DATA`: distances of whatever is not pictures.

Both are .npz files with an array `samples`, as `clarion sample --out FILE.npz` writes it, or with
one array only: vectors, trajectories, spectra, anything of one shape (n, ...). What is measured is
the Fréchet distance, the kernel distance, precision, recall, density and coverage of their
features: of a function of your own, or of the numbers themselves.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from torch import Tensor

from clarion.base.errors import ClarionError, DataError
from clarion.domains.image.arrays import read_npz
from clarion.domains.image.extractors import OwnFunction
from clarion.evaluate.compare import SHARED
from clarion.evaluate.evaluation import Evaluation
from clarion.evaluate.frechet_metrics import frechet_metrics
from clarion.evaluate.gather import check_dim, check_sizes, gather, kept_sizes
from clarion.evaluate.kernel import kernel_metric
from clarion.evaluate.manifold import K, check_neighbours, manifold_metrics
from clarion.evaluate.metric import Metric, MetricCard
from clarion.evaluate.moments import merge
from clarion.evaluate.versions import versions
from clarion.run.examples import OnProgress

SAMPLES, PROBED = "samples", 8
"""The array that `clarion sample` writes, and rows that tell how many features there are."""


@dataclass(frozen=True)
class ArrayEvaluation(Evaluation):
    """Which arrays, and what is measured of them.

    Args:
        samples: a .npz file.
        reference: another, of what samples are held against.
        features: FILE.py#FUNCTION from a tensor (n, ...) to features (n, dim); None takes the
            numbers themselves.
        metrics: frechet, kernel, and prdc for precision, recall, density and coverage.
        k: neighbour that the balls of prdc reach to.
        keep: features that are kept at most, of samples and reference each, drawn at random: kernel
            and prdc are taken on these.
        seed: of that choice, and of the groups that give the intervals.
        batch_size: rows at a time.
    """

    samples: Annotated[str, tyro.conf.Positional]
    reference: str
    features: str | None = None
    metrics: tuple[Literal["frechet", "kernel", "prdc"], ...] = ("frechet", "kernel", "prdc")
    k: int = K
    keep: int = 10_000
    seed: int = 0
    batch_size: int = 256

    def __post_init__(self) -> None:
        check_sizes(k=self.k, batch_size=self.batch_size, keep=self.keep)
        if not self.metrics:
            raise ClarionError("There is nothing to measure: name metrics.")

    def run(self, on_progress: OnProgress) -> MetricCard:
        samples, reference = _read(self.samples), _read(self.reference)
        if samples.shape[1:] != reference.shape[1:]:
            raise DataError(
                f"{self.samples} holds rows of shape {tuple(samples.shape[1:])}, {self.reference} "
                f"of shape {tuple(reference.shape[1:])}."
            )
        features = None if self.features is None else OwnFunction(self.features)
        of = features or _flat
        for rows, what in ((samples, "samples"), (reference, "the reference")):
            sizes = kept_sizes(len(rows), self.seed, self.keep)
            if "prdc" in self.metrics:
                check_neighbours(sizes, self.k, what)
        probe = of(reference[:PROBED])
        if "frechet" in self.metrics:
            check_dim(probe.shape[1])
        drawn, known = (
            gather(
                len(rows),
                lambda numbers, rows=rows: of(rows[numbers]),
                seed=self.seed,
                keep=self.keep,
                with_moments="frechet" in self.metrics,
                batch_size=self.batch_size,
                on_progress=on_progress,
            )
            for rows in (samples, reference)
        )
        found: dict[str, Metric] = {}
        if "frechet" in self.metrics:
            whole = merge(known.moments)
            found |= frechet_metrics(drawn.moments, whole, on_progress, "frechet")
        if "kernel" in self.metrics:
            found["kernel"] = kernel_metric(drawn.kept, known.kept, on_progress)
        if "prdc" in self.metrics:
            found |= manifold_metrics(drawn.kept, known.kept, self.k, on_progress)
        basis: dict[str, Any] = {
            "features": features and features.name,
            "features sha256": features and features.told_by(probe),
            "dtype": "float32",
            "reference sha256": _content_hash(reference),
            "reference n": len(reference),
            **{name: getattr(self, name) for name in ("k", "keep", "seed")},
        }
        details = {
            "reference": self.reference,
            "samples sha256": _content_hash(samples),
            SHARED: None,
            "versions": versions(),
        }
        return MetricCard(self.samples, found, basis, details)


def _read(file: str) -> Tensor:
    """The array of a file, (n, ...) float32."""
    path = Path(file).expanduser()
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    arrays = read_npz(path)
    held = ", ".join(f"{name} {array.dtype}{array.shape}" for name, array in arrays.items())
    array = arrays.get(SAMPLES, next(iter(arrays.values())) if len(arrays) == 1 else None)
    if array is None or array.ndim < 2 or array.dtype.kind not in "fiu" or not array.size:
        raise DataError(
            f"{file} must hold an array `{SAMPLES}` of numbers, (n, ...), or only one; it holds: "
            f"{held or 'nothing'}."
        )
    rows = torch.from_numpy(array.astype(np.float32))
    bad = ~rows.flatten(1).isfinite().all(1)
    if bad.any():
        raise DataError(
            f"{file}: row {int(bad.nonzero()[0])} has values that are not finite, as have "
            f"{int(bad.sum()) - 1} others of {len(rows)}."
        )
    return rows


def _flat(rows: Tensor) -> Tensor:
    return rows.flatten(1)


def _content_hash(rows: Tensor) -> str:
    digest = hashlib.sha256(repr(tuple(rows.shape)).encode())
    digest.update(rows.contiguous().numpy().data)
    return digest.hexdigest()
