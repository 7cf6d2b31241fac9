"""Guidance of tokens by a classifier of noisy sequences.

A position goes from x_t to b at the reversed rate times

    (p(label | x_t with b in this position) / p(label | x_t))^scale

so that at scale 1 the chain is that of p(x0 | label). Either the classifier is asked about every
neighbour of every sequence, or once about each sequence, whose neighbours then follow by a
first-order Taylor series in tokens written as vectors of one 1.

Sources: Nisonoff, Xiong, Allenspach & Listgarten 2024, arXiv 2406.01572, equation 3 (rates);
Schiff et al. 2024, arXiv 2412.10193, section 3.2 (transitions).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate, TokenEstimate
from clarion.denoise.unchanged import RowMemory
from clarion.guide.by_classifier import ByClassifier
from clarion.process.process import Process
from clarion.process.tokens import Masking, TokenProcess

Neighbours: TypeAlias = Literal["exact", "first_order"]

BATCH = 4096
"""Sequences about which the classifier is asked at once."""


@dataclass(frozen=True)
class TokenClassifierGuidance(ByClassifier):
    """Steers tokens towards their label by a classifier; see `ByClassifier`.

    A classifier that does not read the time is asked only about sequences that have changed.

    Args:
        neighbours: "exact" asks about all that differ in one token that can change, of masks
            vocabulary times their number; "first_order" about the sequence alone, and takes one
            gradient: the classifier must then also take vectors, (batch, length, num_states), in
            place of tokens.
    """

    serves: ClassVar[tuple[type[Process], ...]] = (TokenProcess,)

    neighbours: Neighbours = "exact"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.neighbours not in get_args(Neighbours):
            known = " or ".join(map(repr, get_args(Neighbours)))
            raise ClarionError(f"neighbours must be {known}, got {self.neighbours!r}.")

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        label, present, without = self.parts(condition)
        estimate = denoiser(x_t, t, without)
        assert isinstance(estimate, TokenEstimate), "a token process has token estimates"
        if self.scale == 0:
            return estimate

        def ask(rows: Tensor) -> Tensor:
            of_rows = denoiser.process, x_t[rows], t[rows], label[rows]
            if self.neighbours == "exact":
                return self._gain_by_all(*of_rows)
            denoiser.count_gradients(len(rows))
            return self._gain_by_gradient(*of_rows)

        memory = RowMemory()
        if visit is not None and not self.classifier.reads_time:
            memory = visit.memory.setdefault("gains", memory)
        tilt = self.scale * memory.recall([x_t, label], ask) * present[:, None, None]
        return TokenEstimate(
            estimate.logits, tilt if estimate.tilt is None else estimate.tilt + tilt
        )

    def _gain_by_all(self, process: TokenProcess, x_t: Tensor, t: Tensor, label: Tensor) -> Tensor:
        """log p(label | neighbour) - log p(label | x_t), (batch, length, num_states)."""
        K = process.vocabulary
        rows, places = _can_change(process, x_t).nonzero(as_tuple=True)
        here = self._log_p(x_t, t, label)
        gain = here.new_zeros(*x_t.shape, K)
        if len(rows):
            own = rows.repeat_interleave(K)
            neighbours = x_t[own]
            tokens = torch.arange(K, device=x_t.device).repeat(len(rows))
            neighbours.scatter_(1, places.repeat_interleave(K)[:, None], tokens[:, None])
            there = self._log_p(neighbours, t[own], label[own])
            gain[rows, places] = there.unflatten(0, (-1, K)) - here[rows, None]
        return self._of_ways(process, x_t, gain)

    def _gain_by_gradient(
        self, process: TokenProcess, x_t: Tensor, t: Tensor, label: Tensor
    ) -> Tensor:
        """The same to first order: <gradient, neighbour - x_t>."""
        with torch.enable_grad():
            vectors = F.one_hot(x_t, process.num_states).to(t.dtype).requires_grad_()
            total = self._log_p(vectors, t, label).sum()
            (gradient,) = torch.autograd.grad(total, vectors)
        here = gradient.gather(2, x_t.unsqueeze(-1))
        return self._of_ways(process, x_t, (gradient - here)[..., : process.vocabulary])

    def _log_p(self, x_t: Tensor, t: Tensor, label: Tensor) -> Tensor:
        parts = zip(x_t.split(BATCH), t.split(BATCH), label.split(BATCH), strict=True)
        return torch.cat([self.classifier(x, s).gather(1, y[:, None])[:, 0] for x, s, y in parts])

    @staticmethod
    def _of_ways(process: TokenProcess, x_t: Tensor, gain: Tensor) -> Tensor:
        """The gains of ways that the reversed chain has; 0 for the others, and for staying."""
        ways = torch.where(_can_change(process, x_t).unsqueeze(-1), gain, 0.0)
        return F.pad(ways, (0, process.num_states - process.vocabulary))


def _can_change(process: TokenProcess, x_t: Tensor) -> Tensor:
    """Which positions the reversed chain can change, (batch, length) bool."""
    if isinstance(process, Masking):
        return x_t == process.mask
    return torch.ones_like(x_t, dtype=torch.bool)
