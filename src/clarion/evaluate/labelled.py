"""Features of which the class is known, dealt into groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.evaluate.jackknife import GROUPS


@dataclass(frozen=True, eq=False)
class Labelled:
    """What adherence and diversity are measured of.

    Args:
        features: (n_g, dim), by groups (`jackknife.deal`).
        labels: class numbers (n_g,) int64, by groups.
        class_names: one for each class.
    """

    features: list[Tensor]
    labels: list[Tensor]
    class_names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        features: Sequence[Tensor],
        labels: Sequence[Tensor],
        class_names: tuple[str, ...],
        what: str,
    ) -> Labelled:
        """Those that have a label: -1 stands for none.

        Args:
            features: by groups.
            labels: by groups.
            class_names: one for each class.
            what: what messages call these.

        Raises:
            DataError: if a group has none.
        """
        known = [part >= 0 for part in labels]
        n = sum(int(part.sum()) for part in known)
        if not all(part.any() for part in known):
            raise DataError(
                f"Of {what} {n} have a label, and not in each of {GROUPS} groups there is one."
            )
        return cls(
            [part[rows] for part, rows in zip(features, known, strict=True)],
            [part[rows] for part, rows in zip(labels, known, strict=True)],
            class_names,
        )

    @property
    def dim(self) -> int:
        """Number of features."""
        return self.features[0].shape[1]

    def counts(self) -> Tensor:
        """How many of each class are in each group, (groups, classes)."""
        size = len(self.class_names)
        return torch.stack([part.bincount(minlength=size) for part in self.labels])

    def without(self, group: int) -> tuple[Tensor, Tensor]:
        """Features and labels of all but one group."""
        kept = [g for g in range(len(self.labels)) if g != group]
        return (
            torch.cat([self.features[g] for g in kept]),
            torch.cat([self.labels[g] for g in kept]),
        )
