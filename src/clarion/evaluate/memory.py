"""Does a model repeat its training data? Samples between training and held-out examples.

If a model did not learn by heart, it knows nothing that tells training examples from held-out ones:
which of all these is a training example is then, whatever the samples, a random choice. So every
sample finds its nearest example among all; each example is scored by the sample that is
nearest to it, as a share of how far that sample is from its k-th nearest,

    score = |x - y_1| / |x - y_k|,

which is near 0 for a copy, in dense and in thin regions alike, and does not know which examples
were trained on. Of the q examples of least score h are from training, by chance as many as of q
drawn without replacement: the p-value is the tail of the hypergeometric distribution, the least of
those for q = 8, 16, 32, ..., times their number. It is exact however many samples share one
neighbour, however different samples are from the data, and however near examples are to each other;
only examples must have been put aside at random. The test is the sharper, the nearer in number
held-out examples come to training examples.

Departure from Meehan et al. 2020, arXiv 2004.05675, and from counting the samples that are
nearer to training: ranks of distances to training alone reject models that are only blurred or
sharper than the data, and such counts need not move where one sample in a hundred is a copy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.evaluate.distances import Nearest
from clarion.evaluate.metric import Metric, Z

NEIGHBOURS = 5
FIRST_COUNT = 8


@dataclass(frozen=True)
class Pair:
    """A sample and the training example that it is nearest to.

    Args:
        sample: number of the sample.
        example: number of the training example.
        distance: between their features.
        score: the same as a share of the distance to the k-th nearest example.
    """

    sample: int
    example: int
    distance: float
    score: float


@dataclass(frozen=True)
class Audit:
    """What was found.

    Args:
        metrics: "memorisation p", and "nearer to training": the share of samples of which the
            nearest example is from training, with what it would be by chance.
        pairs: training examples by their score, the most suspicious first, each with its sample.
    """

    metrics: dict[str, Metric]
    pairs: tuple[Pair, ...]


def check_counts(training: int, held_out: int) -> None:
    """Refuse an audit of too few examples.

    Raises:
        ClarionError: if there are too few of either.
    """
    if min(training, held_out) < NEIGHBOURS:
        raise ClarionError(
            f"An audit takes at least {NEIGHBOURS} training and as many held-out examples, got "
            f"{training} and {held_out}."
        )


class MemoryAudit:
    """Held against training examples first, then held-out ones, as they are read.

    Args:
        samples: features of the samples, (n, dim).
    """

    def __init__(self, samples: Tensor) -> None:
        self._nearest = Nearest(samples, NEIGHBOURS)
        self._training, self._held_out = 0, 0

    def show_training(self, examples: Tensor) -> None:
        """Features (m, dim) of training examples; all of them before the first held-out one.

        Raises:
            ClarionError: if held-out ones were shown before.
        """
        if self._held_out:
            raise ClarionError("Training examples are shown before held-out ones.")
        self._nearest.show(examples)
        self._training += len(examples)

    def show_held_out(self, examples: Tensor) -> None:
        """Features (m, dim) of held-out examples."""
        self._nearest.show(examples)
        self._held_out += len(examples)

    def result(self, seed: int = 0, most_pairs: int = 36) -> Audit:
        """What was found.

        Args:
            seed: of the choice between examples that are equally near.
            most_pairs: that are listed.

        Raises:
            ClarionError: if there were too few examples.
        """
        check_counts(self._training, self._held_out)
        numbers, distances, scores = self._first(seed)
        examples, sample_of = _best(numbers, scores)
        is_training = examples < self._training
        p = self._p_value(is_training.tolist(), len(numbers))
        suspects = [
            Pair(int(i), int(numbers[i]), float(distances[i]), float(scores[i]))
            for i in sample_of[is_training][:most_pairs]
        ]
        return Audit(
            {"memorisation p": p, "nearer to training": self._nearer(numbers)}, tuple(suspects)
        )

    def _first(self, seed: int) -> tuple[Tensor, Tensor, Tensor]:
        """Nearest example, its distance and its score, for each sample, each (n,).

        Of examples that are equally near one is drawn, or those shown first would win.
        """
        squares = self._nearest.squares.double().cpu()
        is_tied = squares == squares[:, :1]
        chance = torch.rand(squares.shape, generator=torch.Generator().manual_seed(seed))
        chosen = chance.where(is_tied, -1.0).argmax(1, keepdim=True)
        numbers = self._nearest.numbers.cpu().gather(1, chosen)[:, 0]
        nearest, last = squares[:, 0].sqrt(), squares[:, -1].sqrt()
        return numbers, nearest, torch.where(last > 0, nearest / last, 0.0)

    def _p_value(self, is_training: list[bool], n: int) -> Metric:
        """By the scan; the examples come by their score."""
        counts = [q for i in range(40) if (q := FIRST_COUNT << i) <= len(is_training)]
        if not counts:
            counts = [len(is_training)]
        total = self._training + self._held_out
        found = []
        for q in counts:
            hits = sum(is_training[:q])
            found.append((tail(total, self._training, q, hits), q, hits))
        least, q, hits = min(found)
        expected = q * self._training / total
        note = f"of the {q:,} most suspicious {hits:,} are from training, {expected:.4g} by chance"
        return Metric(min(1.0, least * len(counts)), n, note=note)

    def _nearer(self, numbers: Tensor) -> Metric:
        """The share of samples nearest to training; its error is that of the choice of examples."""
        n, total = len(numbers), self._training + self._held_out
        share = float((numbers < self._training).double().mean())
        chosen = numbers.bincount(minlength=total).double()  # samples that share one are no two
        by_chance = self._training / total
        variance = total * float(chosen.var()) * by_chance * (1 - by_chance) / n**2
        half = Z * math.sqrt(variance)
        low, high = max(0.0, share - half), min(1.0, share + half)
        return Metric(share, n, low, high, f"{by_chance:.4g} by chance")


def _best(numbers: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """The examples that are nearest to any sample, by least score, and that sample of each."""
    order = scores.argsort(stable=True)
    examples, first = {}, []
    for i in order.tolist():
        if examples.setdefault(int(numbers[i]), i) == i:
            first.append(i)
    sample_of = torch.tensor(first)
    return numbers[sample_of], sample_of


def tail(total: int, marked: int, drawn: int, hits: int) -> float:
    """P(at least `hits` of `drawn` are marked), drawn without replacement: hypergeometric.

    Example:
        >>> round(tail(4, 2, 2, 2), 12)  # 1/2 times 1/3
        0.166666666667
    """

    def log_choose(n: int, k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)

    least, most = max(hits, drawn - (total - marked)), min(drawn, marked)
    terms = [
        log_choose(marked, h) + log_choose(total - marked, drawn - h) - log_choose(total, drawn)
        for h in range(least, most + 1)
    ]
    return min(1.0, sum(math.exp(term) for term in terms))
