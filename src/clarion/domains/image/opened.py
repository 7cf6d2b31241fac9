"""What an evaluation of pictures looks at, checked before anything is measured."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.domains.image.extractors import Extractor
from clarion.domains.image.pictures import Pictures, in_both, labels_by
from clarion.evaluate.gather import Gathered
from clarion.evaluate.jackknife import deal
from clarion.evaluate.labelled import Labelled
from clarion.evaluate.memory import check_counts


class Classes(NamedTuple):
    """The classes of the reference, and which samples were asked to be, and real ones are."""

    names: tuple[str, ...]
    asked: Tensor
    real: Tensor

    @property
    def sha256(self) -> str:
        """Of the names and of what each real one is."""
        return hashlib.sha256(repr((self.names, self.real.tolist())).encode()).hexdigest()

    def of_reference(self, sizes: Sequence[int], seed: int) -> Labelled:
        """The reference without its features, of each group the first so many."""
        groups = deal(len(self.real), seed, len(sizes))
        labels = [self.real[part[:size]] for part, size in zip(groups, sizes, strict=True)]
        nothing = [torch.empty(len(part), 0) for part in labels]
        return Labelled.of(nothing, labels, self.names, "the reference")

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

    @classmethod
    def find(
        cls, samples: Pictures, reference: Pictures, samples_name: str, reference_name: str
    ) -> Classes:
        """Those of the reference, which the samples were asked to be of.

        Raises:
            DataError: if either does not tell.
        """
        names = reference.class_names
        real = labels_by(reference, names)
        if real is None:
            raise DataError(
                f"The pictures of {reference_name} have no labels, which adherence and diversity "
                "need: put them into class folders, or name other metrics."
            )
        asked = labels_by(samples, names)
        if asked is None:
            raise DataError(
                f"{samples_name} does not say what was asked for, which adherence and diversity "
                "need: draw with --condition label=..., or put pictures into class folders."
            )
        return cls(names, asked, real)


class Opened(NamedTuple):
    """What is looked at, checked.

    Args:
        samples: to be measured.
        reference: what they are held against.
        held_out: pictures that were put aside; None without.
        num_in_both: of these, how many are also in the reference.
        classes: if they are asked for.
        extractor: of features.
        reference_known_by: a hash of its content.
        extractor_known_by: a hash of what computes.
        dim: number of features.
    """

    samples: Pictures
    reference: Pictures
    held_out: Pictures | None
    num_in_both: int
    classes: Classes | None
    extractor: Extractor
    reference_known_by: str
    extractor_known_by: str
    dim: int


def count_in_both(held_out: Pictures, reference: Pictures) -> int:
    """How many held-out pictures are also of the reference; a few are where data hold duplicates.

    Raises:
        DataError: if all are, or there are too few for a search for copies.
    """
    if held_out.shape != reference.shape:
        raise DataError(
            f"Held-out pictures are {held_out.shape}, the reference is {reference.shape}."
        )
    check_counts(len(reference), len(held_out))
    count = in_both(held_out, reference)
    if count == len(held_out):
        raise DataError(
            f"Each of the {count} held-out pictures is also in the reference, so none was held "
            "out; name others by held_out, or another split of them by held_out_split."
        )
    return count
