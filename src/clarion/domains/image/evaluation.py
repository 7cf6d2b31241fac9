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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from torch import Tensor

from clarion.base.errors import ClarionError, DataError
from clarion.domains.image.data import ImageData
from clarion.domains.image.decoding import ResizeRule
from clarion.domains.image.drawing import save_grid
from clarion.domains.image.extractors import Extractor, Inception, open_extractor
from clarion.domains.image.opened import Classes, Opened, count_in_both
from clarion.domains.image.pictures import (
    Pictures,
    SampleFile,
    content_hash,
    open_pictures,
    pixels_of,
)
from clarion.evaluate.adherence import adherence_metrics, check_classes
from clarion.evaluate.compare import SHARED
from clarion.evaluate.diversity import diversity_metric
from clarion.evaluate.evaluation import Evaluation
from clarion.evaluate.frechet_metrics import frechet_metrics
from clarion.evaluate.gather import (
    MOST_FEATURES,
    Gathered,
    check_dim,
    check_sizes,
    gather,
    kept_numbers,
    kept_sizes,
)
from clarion.evaluate.jackknife import GROUPS
from clarion.evaluate.kernel import kernel_metric
from clarion.evaluate.manifold import K, check_neighbours, manifold_metrics
from clarion.evaluate.memory import Audit, MemoryAudit
from clarion.evaluate.metric import Metric, MetricCard
from clarion.evaluate.moments import Moments, merge
from clarion.evaluate.versions import versions
from clarion.run.cache import cache_folder
from clarion.run.device import choose_device
from clarion.run.examples import OnProgress
from clarion.run.files import read_tensors, write_tensors

Name = Literal["fid", "kid", "prdc", "adherence", "diversity"]
PAIR_COLUMNS = 12

PROBED = 8
"""Pictures of the reference that tell how many features there are."""

MEMORY_GIB = 0.25
"""Pictures of a source, decoded, up to which they are kept; larger ones are read as needed."""


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
        check_sizes(k=self.k, batch_size=self.batch_size, keep=self.keep)
        if not self.metrics and self.held_out is None:
            raise ClarionError("There is nothing to measure: name metrics, or held-out pictures.")
        if self.pairs is not None and self.held_out is None:
            raise ClarionError("pairs are found by the search for copies, which needs held_out.")
        if self.pairs is not None and self.pairs.suffix.lower() != ".png":
            raise ClarionError(f"pairs must end in .png, got {str(self.pairs)!r}.")

    def check(self, on_progress: OnProgress) -> None:
        """Read everything, and refuse what could not be measured, before anything is.

        Raises:
            DataError: if it could not.
        """
        self._opened(on_progress)

    def run(self, on_progress: OnProgress) -> MetricCard:
        opened = self._opened(on_progress)
        samples, reference, extractor = opened.samples, opened.reference, opened.extractor
        known = None
        if self.metrics:  # before the samples: by groups, moments of both at once take much memory
            known = self._reference(opened, on_progress)
        drawn = self._gather(samples, extractor, "fid" in self.metrics, on_progress)
        found = {}
        if known is not None:
            found = self._measure(drawn, *known, extractor, opened.classes, on_progress)
        basis, details = self._basis(opened), self._details(samples)
        if opened.held_out is not None:
            basis["held-out sha256"] = content_hash(opened.held_out)
            details["held-out pictures that are also of the reference"] = opened.num_in_both
            audit = self._audit(drawn, reference, opened.held_out, extractor, on_progress)
            found |= audit.metrics
            details["pairs"] = self._show(audit, torch.cat(drawn.numbers), samples, reference)
        return MetricCard(self.samples, found, basis, details)

    def _opened(self, on_progress: OnProgress) -> Opened:
        """All that is to be looked at, checked."""
        samples = self._open(self.samples, "train", on_progress)
        reference = self._open(self.reference, self.split, on_progress)
        if samples.shape != reference.shape:
            raise DataError(
                f"Samples are {samples.shape} (channels, height, width), the reference is "
                f"{reference.shape}; bring {_which(samples)} to that with size, resize and "
                "channels."
            )
        held_out, num_in_both = None, 0
        if self.held_out is not None:
            held_out = self._open(self.held_out, self.held_out_split, on_progress)
            num_in_both = count_in_both(held_out, reference)
        extractor = open_extractor(self.extractor, self.weights, choose_device(self.device))
        sizes = [kept_sizes(len(of), self.seed, self.keep) for of in (samples, reference)]
        if "prdc" in self.metrics:
            for of, what in zip(sizes, ("samples", "the reference"), strict=True):
                check_neighbours(of, self.k, what)
        classes = None
        if {"adherence", "diversity"} & set(self.metrics):
            classes = Classes.find(samples, reference, self.samples, self.reference)
        if classes is not None and "adherence" in self.metrics:
            check_classes(classes.of_reference(sizes[1], self.seed))
        probe = extractor(pixels_of(reference, torch.arange(min(PROBED, len(reference)))))
        if "fid" in self.metrics:
            check_dim(probe.shape[1])
        return Opened(
            samples, reference, held_out, num_in_both, classes, extractor,
            content_hash(reference), extractor.told_by(probe), probe.shape[1],
        )  # fmt: skip

    def _basis(self, opened: Opened) -> dict[str, Any]:
        """What two cards must share to be compared."""
        basis = {
            "extractor": opened.extractor.name,
            "extractor sha256": opened.extractor_known_by,
            "resize": opened.extractor.resize,
            "dtype": "float32",
            "shape": list(opened.reference.shape),
            "samples resized": self._resized(opened.samples),
            "reference sha256": opened.reference_known_by,
            "reference n": len(opened.reference),
            "k": self.k,
            "keep": self.keep,
            "groups": GROUPS,
            "seed": self.seed,
        }
        if opened.classes is not None:
            basis["classes sha256"] = opened.classes.sha256
        return basis

    def _resized(self, samples: Pictures) -> str:
        """How samples were brought to their size, in words."""
        if isinstance(samples, SampleFile) or (self.size, self.channels) == (None, None):
            return "none"
        return f"{self.resize}, size {self.size}, channels {self.channels}"

    def _details(self, samples: Pictures) -> dict[str, Any]:
        details = {
            "reference": self.reference,
            "samples sha256": content_hash(samples),
            SHARED: None,
            "device": choose_device(self.device),
            "versions": versions("pillow", "transformers"),
        }
        if isinstance(samples, SampleFile):
            details |= {
                SHARED: samples.drawn_by or None,
                "share of numbers clipped": samples.share_clipped,
            }
        return details

    def _open(self, source: str, split: str, on_progress: OnProgress) -> Pictures:
        data = ImageData(
            source,
            split=split,
            size=self.size,
            resize=self.resize,
            channels=self.channels,
            memory_limit_gib=MEMORY_GIB,
        )
        return open_pictures(data, on_progress)

    def _gather(
        self,
        pictures: Pictures,
        extractor: Extractor,
        with_moments: bool,
        on_progress: OnProgress,
    ) -> Gathered:
        return gather(
            len(pictures),
            _features(pictures, extractor),
            seed=self.seed,
            keep=self.keep,
            with_moments=with_moments,
            batch_size=self.batch_size,
            on_progress=on_progress,
        )

    def _measure(
        self,
        drawn: Gathered,
        known: Gathered,
        moments: Moments | None,
        extractor: Extractor,
        classes: Classes | None,
        on_progress: OnProgress,
    ) -> dict[str, Metric]:
        found: dict[str, Metric] = {}
        is_inception = isinstance(extractor, Inception)
        if "fid" in self.metrics:
            assert moments is not None, "few enough features, as was checked"
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
        self, opened: Opened, on_progress: OnProgress
    ) -> tuple[Gathered, Moments | None]:
        """The reference, with its moments unless features are too many for them; once measured it
        is in the cache, for whatever metrics are asked for."""
        reference, with_moments = opened.reference, opened.dim <= MOST_FEATURES
        asked = [opened.reference_known_by, opened.extractor.name, opened.extractor_known_by]
        key = hashlib.sha256(json.dumps([*asked, self.seed, self.keep]).encode()).hexdigest()[:32]
        path = cache_folder() / "references" / f"{key}.safetensors"
        if not path.is_file():
            real = self._gather(reference, opened.extractor, with_moments, on_progress)
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


def _which(samples: Pictures) -> str:
    """Whose size can be changed."""
    if not isinstance(samples, SampleFile):
        return "both"
    return "the reference (samples in numbers are taken as they are, channels first)"


def _features(pictures: Pictures, extractor: Extractor) -> Callable[[Tensor], Tensor]:
    return lambda indices: extractor(pixels_of(pictures, indices))
