"""Are samples what they were asked to be? A judge that learnt from real data names their classes.

The judge is Fisher's linear discriminant of the features: with the mean m_c of each class and the
covariance S that the classes share, it names the class of the greatest

    s_c(x) = m_c . W x - m_c . W m_c / 2,        W = ((1 - l) S + l (tr S / dim) I)⁻¹,

which is the best there is where classes are normal and differ in their means. The shrinkage l makes
up for few examples in many dimensions. No class is held to be more frequent than another.

No judge is always right: so it also names real data that it did not learn from. The reference is
dealt into groups; group g of it, and group g of the samples, are named by the judge that learnt
from all other groups. A model as good as the data has both shares equal; a larger one for samples
says that they are more typical of their class than the data are.

Sources: Fisher 1936, doi 10.1111/j.1469-1809.1936.tb02137.x; Ledoit & Wolf 2004, doi
10.1016/S0047-259X(03)00096-4 (the shrinkage, their lemma 3.4 and section 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from clarion.base.errors import DataError
from clarion.evaluate.gather import MOST_FEATURES
from clarion.evaluate.labelled import Labelled
from clarion.evaluate.metric import Metric, share
from clarion.run.examples import OnProgress


class Judge:
    """Names the class of features; fitted once.

    Args:
        features: (n, dim).
        labels: class numbers, (n,).
        num_classes: how many classes there are; each must occur.
    """

    def __init__(self, features: Tensor, labels: Tensor, num_classes: int) -> None:
        self._centre = features.double().mean(0)
        x = features.double() - self._centre
        is_of = F.one_hot(labels, num_classes).double()
        means = (is_of.mT @ x) / is_of.sum(0)[:, None]
        x -= means[labels]  # in place: rows of thousands of features take much memory
        S = x.mT @ x / len(x)
        variance = S.trace() / len(S)
        shrinkage = _shrinkage(x, S, variance)
        shrunk = (1 - shrinkage) * S
        # A feature that never varies, of data that never do, has no scale: anything above 0 will do
        shrunk.diagonal().add_(shrinkage * variance + torch.finfo(S.dtype).eps * (variance or 1))
        self._weights = torch.cholesky_solve(means.mT, torch.linalg.cholesky(shrunk))
        self._offsets = (means * self._weights.mT).sum(1) / 2

    def __call__(self, features: Tensor) -> Tensor:
        """The class of each, (n,)."""
        x = features.double() - self._centre
        return (x @ self._weights - self._offsets).argmax(1)


def _shrinkage(within: Tensor, S: Tensor, variance: Tensor) -> Tensor:
    """l, from rows (n, dim) of mean 0, their covariance and the mean of its diagonal."""
    distance = S.square().sum() - len(S) * variance**2  # |S - variance I|²
    scatter = (within.square().sum(1).square().mean() - S.square().sum()) / len(within)
    return (scatter / distance).clamp(0, 1) if distance > 0 else torch.ones_like(variance)


def adherence_metrics(
    samples: Labelled, reference: Labelled, on_progress: OnProgress | None = None
) -> dict[str, Metric]:
    """Shares of samples, and of real data, of which the judge names the class that they are of.

    Args:
        samples: with what each was asked to be.
        reference: real data, in as many groups, with what each is.
        on_progress: called with (groups done, groups in all).

    Raises:
        DataError: if a class is too rare in the reference, or there are too many features.
    """
    if reference.dim > MOST_FEATURES:
        raise DataError(
            f"A judge takes at most {MOST_FEATURES} features, got {reference.dim}; choose another "
            "extractor."
        )
    check_classes(reference)
    named, real = [], []
    for g in range(len(reference.features)):
        judge = Judge(*reference.without(g), len(reference.class_names))
        named.append(judge(samples.features[g]) == samples.labels[g])
        real.append(judge(reference.features[g]) == reference.labels[g])
        if on_progress is not None:
            on_progress(g + 1, len(reference.features))
    return {
        "named as asked": _share(named),
        "named rightly, real": replace(_share(real), parts=()),  # no matter of the samples
    }


def check_classes(reference: Labelled) -> None:
    """Refuse classes that a judge could not learn; no feature is looked at.

    Raises:
        DataError: if a class is too rare.
    """
    spread_over = reference.counts().gt(0).sum(0)
    rare = torch.nonzero(spread_over < 2)[:, 0].tolist()
    if rare:
        raise DataError(
            f"A judge learns each class from two groups of the reference at least; "
            f"{reference.class_names[rare[0]]!r} has {int(reference.counts().sum(0)[rare[0]])} "
            f"pictures in {int(spread_over[rare[0]])}"
            f"{f', and {len(rare) - 1} more classes are as rare' if len(rare) > 1 else ''}."
        )


def _share(is_right: Sequence[Tensor]) -> Metric:
    whole = share(int(sum(part.sum() for part in is_right)), sum(map(len, is_right)))
    return replace(whole, parts=tuple(float(part.double().mean()) for part in is_right))
