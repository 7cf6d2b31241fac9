"""`clarion evaluate images SAMPLES --reference DATA`: FID, KID, precision, recall, classes, copies.

Samples are a .npz file of `clarion sample`, a folder of pictures, or what else pictures are read
from; so is the reference, usually what the model was trained on. Where samples were drawn of
classes, and the reference has labels, `--metrics adherence diversity` holds them against these.
With held-out data, pictures that the model never saw, samples are searched for copies of the
reference. Every number has an interval; numbers of different n, extractors or references are not to
be compared.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
import tyro
from torch import Tensor

from clarion.base.errors import ClarionError, DataError
from clarion.base.version import VERSION
from clarion.domains.image.data import ImageData
from clarion.domains.image.decoding import ResizeRule
from clarion.domains.image.drawing import save_grid
from clarion.domains.image.extractors import Extractor, Inception, open_extractor
from clarion.domains.image.pictures import (
    Pictures,
    SampleFile,
    content_hash,
    labels_by,
    open_pictures,
    pixels_of,
)
from clarion.evaluate.adherence import adherence_metrics
from clarion.evaluate.compare import SHARED
from clarion.evaluate.diversity import diversity_metric
from clarion.evaluate.evaluation import Evaluation
from clarion.evaluate.frechet_metrics import frechet_metrics
from clarion.evaluate.gather import Gathered, gather, kept_numbers
from clarion.evaluate.jackknife import GROUPS
from clarion.evaluate.kernel import kernel_metric
from clarion.evaluate.labelled import Labelled
from clarion.evaluate.manifold import K, manifold_metrics
from clarion.evaluate.memory import Audit, MemoryAudit
from clarion.evaluate.metric import Metric, MetricCard
from clarion.evaluate.moments import Moments, merge
from clarion.run.cache import cache_folder
from clarion.run.device import choose_device
from clarion.run.examples import OnProgress
from clarion.run.files import read_tensors, write_tensors

Name = Literal["fid", "kid", "prdc", "adherence", "diversity"]
PAIR_COLUMNS = 12


class _Classes(NamedTuple):
    """The classes of the reference, and which samples were asked to be, and real ones are."""

    names: tuple[str, ...]
    asked: Tensor
    real: Tensor

    @property
    def sha256(self) -> str:
        """Of the names and of what each real one is."""
        return hashlib.sha256(repr((self.names, self.real.tolist())).encode()).hexdigest()

    def of(self, drawn: Gathered, known: Gathered) -> tuple[Labelled, Labelled]:
        """Samples and reference, each with the classes of what was kept of them."""
        asked, real = (
            [labels[numbers] for numbers in gathered.numbers]
            for labels, gathered in ((self.asked, drawn), (self.real, known))
        )
        return (
            Labelled.of(drawn.kept, asked, self.names, "the samples"),
            Labelled.of(known.kept, real, self.names, "the reference"),
        )


@dataclass(frozen=True)
class ImageEvaluation(Evaluation):
    """Which pictures, and what is measured of them.

    Args:
        samples: a .npz file of `clarion sample`, a folder of pictures, or any other source of
            pictures.
        reference: real pictures to hold them against; a source of the same kinds.
        held_out: real pictures that were put aside at random before the training, best as many as
            those of the reference: then samples are searched for copies of the reference.
        split: of the reference, where it has splits.
        held_out_split: of the held-out pictures.
        size: side of the square that all pictures are brought to first; None leaves them as they
            are, and then all must have one size.
        resize: how: "crop", "pad", "stretch", or "none".
        channels: 1 grey, 3 RGB; None takes them as they are.
        extractor: of features: "inception", "pixels", "transformers:NAME" or FILE.py#FUNCTION.
        weights: file of the Inception network; None takes what the environment variable
            CLARION_INCEPTION names, else the cache's, else fetches it.
        metrics: fid, kid, and prdc for precision, recall, density and coverage; where samples and
            reference have classes, adherence for the share that a judge names as asked, and
            diversity for that within a class.
        k: neighbour that the balls of prdc reach to.
        keep: features that are kept at most, of samples and reference each, drawn at random: kid,
            prdc, adherence, diversity and the search for copies are taken on these.
        seed: of that choice, and of the groups that give the intervals.
        batch_size: pictures at a time.
        device: where the extractor computes.
        pairs: draws the most suspicious samples, each before the picture of the reference that it
            is nearest to (.png).
    """

    samples: Annotated[str, tyro.conf.Positional]
    reference: str
    held_out: str | None = None
    split: str = "train"
    held_out_split: str = "train"
    size: int | None = None
    resize: ResizeRule = "none"
    channels: int | None = None
    extractor: str = "inception"
    weights: Path | None = None
    metrics: tuple[Name, ...] = ("fid", "kid", "prdc")
    k: int = K
    keep: int = 10_000
    seed: int = 0
    batch_size: int = 64
    device: Literal["auto", "cpu", "cuda"] = "auto"
    pairs: Path | None = None

    def __post_init__(self) -> None:
        for name in ("k", "batch_size"):
            if getattr(self, name) < 1:
                raise ClarionError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.keep < 2 * GROUPS:
            raise ClarionError(f"keep must be at least {2 * GROUPS}, got {self.keep}.")
        if not self.metrics and self.held_out is None:
            raise ClarionError("There is nothing to measure: name metrics, or held-out pictures.")
        if self.pairs is not None and self.held_out is None:
            raise ClarionError("pairs are found by the search for copies, which needs held_out.")
        if self.pairs is not None and self.pairs.suffix.lower() != ".png":
            raise ClarionError(f"pairs must end in .png, got {str(self.pairs)!r}.")

    def run(self, on_progress: OnProgress) -> MetricCard:
        device = choose_device(self.device)
        samples = self._open(self.samples, "train", on_progress)
        extractor = open_extractor(self.extractor, self.weights, device)
        reference = self._open(self.reference, self.split, on_progress)
        if samples.shape != reference.shape:
            raise DataError(
                f"Samples are {samples.shape} (channels, height, width), the reference is "
                f"{reference.shape}; bring both to one with size, resize and channels."
            )
        classes = self._classes(samples, reference)
        known_by, known = content_hash(reference), None
        if self.metrics:  # before the samples: by groups, moments of both at once take much memory
            known = self._reference(reference, known_by, extractor, on_progress)
        drawn = self._gather(samples, extractor, on_progress)
        found = {}
        if known is not None:
            found = self._measure(drawn, *known, extractor, classes, on_progress)
        basis = self._basis(reference, known_by, extractor)
        if classes is not None:
            basis["classes sha256"] = classes.sha256
        details = self._details(samples, device)
        if self.held_out is not None:
            held_out = self._open(self.held_out, self.held_out_split, on_progress)
            if held_out.shape != reference.shape:
                raise DataError(
                    f"Held-out pictures are {held_out.shape}, the reference is {reference.shape}."
                )
            basis["held-out sha256"] = content_hash(held_out)
            audit = self._audit(drawn, reference, held_out, extractor, on_progress)
            found |= audit.metrics
            details["pairs"] = self._show(audit, torch.cat(drawn.numbers), samples, reference)
        return MetricCard(self.samples, found, basis, details)

    def _basis(self, reference: Pictures, known_by: str, extractor: Extractor) -> dict[str, Any]:
        """What two cards must share to be compared."""
        return {
            "extractor": extractor.name,
            "extractor sha256": extractor.sha256,
            "resize": extractor.resize,
            "dtype": "float32",
            "shape": list(reference.shape),
            "reference sha256": known_by,
            "reference n": len(reference),
            "k": self.k,
            "keep": self.keep,
            "groups": GROUPS,
            "seed": self.seed,
        }

    def _details(self, samples: Pictures, device: str) -> dict[str, Any]:
        drawn_by = samples.drawn_by if isinstance(samples, SampleFile) else ""
        return {
            "reference": self.reference,
            "samples sha256": content_hash(samples),
            SHARED: drawn_by or None,
            "device": device,
            "versions": {
                "clarion": VERSION,
                "torch": torch.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
        }

    def _open(self, source: str, split: str, on_progress: OnProgress) -> Pictures:
        data = ImageData(
            source, split=split, size=self.size, resize=self.resize, channels=self.channels
        )
        return open_pictures(data, on_progress)

    def _classes(self, samples: Pictures, reference: Pictures) -> _Classes | None:
        """What the pictures are of, if that is asked for."""
        if not {"adherence", "diversity"} & set(self.metrics):
            return None
        names = reference.class_names
        real = labels_by(reference, names)
        if real is None:
            raise DataError(
                f"The pictures of {self.reference} have no labels, which adherence and diversity "
                "need: put them into class folders, or name other metrics."
            )
        asked = labels_by(samples, names)
        if asked is None:
            raise DataError(
                f"{self.samples} does not say what was asked for, which adherence and diversity "
                "need: draw with --condition label=..., or put pictures into class folders."
            )
        return _Classes(names, asked, real)

    def _gather(
        self, pictures: Pictures, extractor: Extractor, on_progress: OnProgress
    ) -> Gathered:
        return gather(
            len(pictures),
            _features(pictures, extractor),
            seed=self.seed,
            keep=self.keep,
            with_moments="fid" in self.metrics,
            batch_size=self.batch_size,
            on_progress=on_progress,
        )

    def _measure(
        self,
        drawn: Gathered,
        known: Gathered,
        moments: Moments | None,
        extractor: Extractor,
        classes: _Classes | None,
        on_progress: OnProgress,
    ) -> dict[str, Metric]:
        found: dict[str, Metric] = {}
        is_inception = isinstance(extractor, Inception)
        if moments is not None:
            name = "fid" if is_inception else "frechet"
            found |= frechet_metrics(drawn.moments, moments, on_progress, name)
        if "kid" in self.metrics:
            name = "kid" if is_inception else "kernel"
            found[name] = kernel_metric(drawn.kept, known.kept, on_progress)
        if "prdc" in self.metrics:
            found |= manifold_metrics(drawn.kept, known.kept, self.k, on_progress)
        if classes is not None:
            both = classes.of(drawn, known)
            if "adherence" in self.metrics:
                found |= adherence_metrics(*both, on_progress)
            if "diversity" in self.metrics:
                found["diversity within a class"] = diversity_metric(*both, on_progress)
        return found

    def _reference(
        self, reference: Pictures, known_by: str, extractor: Extractor, on_progress: OnProgress
    ) -> tuple[Gathered, Moments | None]:
        """The reference and all its moments, from the cache if it was measured before."""
        with_moments = "fid" in self.metrics
        path = self._cached(known_by, extractor, with_moments=True)
        if not (with_moments or path.is_file()):  # what has more serves as well
            path = self._cached(known_by, extractor, with_moments=False)
        if not path.is_file():
            real = self._gather(reference, extractor, on_progress)
            tensors = {f"kept {i}": part for i, part in enumerate(real.kept)}
            if with_moments:
                whole = merge(real.moments)
                tensors |= {"mean": whole.mean, "scatter": whole.scatter}
            path.parent.mkdir(parents=True, exist_ok=True)
            write_tensors(path, tensors)
        tensors = read_tensors(path)
        kept = [tensors[f"kept {i}"] for i in range(GROUPS)]
        numbers = kept_numbers(len(reference), self.seed, kept)
        real = Gathered(len(reference), kept, numbers, [])
        if not with_moments:
            return real, None
        return real, Moments(len(reference), tensors["mean"], tensors["scatter"])

    def _cached(self, known_by: str, extractor: Extractor, *, with_moments: bool) -> Path:
        """Where the features of a reference are kept."""
        asked = [known_by, extractor.name, extractor.sha256, self.seed, self.keep, with_moments]
        key = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:32]
        return cache_folder() / "references" / f"{key}.safetensors"

    def _audit(
        self,
        drawn: Gathered,
        reference: Pictures,
        held_out: Pictures,
        extractor: Extractor,
        on_progress: OnProgress,
    ) -> Audit:
        audit = MemoryAudit(torch.cat(drawn.kept))
        for pictures, show in (
            (reference, audit.show_training),
            (held_out, audit.show_held_out),
        ):
            features = _features(pictures, extractor)
            for batch in torch.arange(len(pictures)).split(self.batch_size):
                show(features(batch).cpu())
                on_progress(int(batch[-1]) + 1, len(pictures))
        return audit.result(self.seed)

    def _show(
        self, audit: Audit, numbers: Tensor, samples: Pictures, reference: Pictures
    ) -> list[dict[str, Any]]:
        """The pairs by the names of their pictures; drawn, if that is asked for."""
        chosen = numbers[torch.tensor([pair.sample for pair in audit.pairs], dtype=torch.int64)]
        examples = torch.tensor([pair.example for pair in audit.pairs], dtype=torch.int64)
        if self.pairs is not None and len(chosen):
            both = pixels_of(samples, chosen), pixels_of(reference, examples)
            save_grid(torch.stack(both, 1).flatten(0, 1) / 255, self.pairs, columns=PAIR_COLUMNS)
        return [
            {
                "sample": samples.name(sample),
                "reference": reference.name(pair.example),
                "distance": pair.distance,
                "score": pair.score,
            }
            for pair, sample in zip(audit.pairs, chosen.tolist(), strict=True)
        ]


def _features(pictures: Pictures, extractor: Extractor) -> Callable[[Tensor], Tensor]:
    return lambda indices: extractor(pixels_of(pictures, indices))
