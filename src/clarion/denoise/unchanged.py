"""Asks a denoiser of tokens again only where something has changed.

Of masked tokens p(x0 | x_t) does not depend on t, given x_t: how many masks there are says nothing
of what stands behind them. A network that is not told the noise level says the same of a sequence
until one of its tokens changes, which in many short steps is seldom: in N steps of equal length in
alpha, a sequence of L tokens changes in N (1 - (1 - 1 / N)^L), fewer than L.

Sources: Ou et al. 2024, arXiv 2406.03736 (the time drops out; that number of evaluations); Sahoo et
al. 2024, arXiv 2406.07524 (what is known of unchanged sequences is used again).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise.denoiser import Denoiser, DenoiserWrapper, Visit
from clarion.denoise.estimate import Estimate, TokenEstimate


@dataclass
class Answer:
    """What was asked last, and what the denoiser said of it.

    Args:
        x_t: (batch, length).
        condition: of each row.
        logits: (batch, length, vocabulary).
    """

    x_t: Tensor
    condition: Condition | None
    logits: Tensor


class UnchangedRows(DenoiserWrapper):
    """The same estimates, with fewer evaluations, while a sampler is on its way.

    Which rows have changed is read by the host at each stop; the evaluations that are saved cost
    more than that wait.

    Args:
        inner: a denoiser of tokens that does not read the time.
        answers: number of rows -> the last answer of this run; None outside of a run, where every
            row is asked about.
    """

    def __init__(self, inner: Denoiser, answers: dict[int, Answer] | None = None) -> None:
        super().__init__(inner)
        assert not inner.reads_time, "its estimates would depend on t"
        self.answers = answers

    def at(self, visit: Visit) -> Denoiser:
        return UnchangedRows(self.inner.at(visit), visit.memory.setdefault(id(self), {}))

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Estimate:
        if self.answers is None:
            return self.inner(x_t, t, condition)
        last = self.answers.get(len(x_t))
        if last is None or (last.condition is None) != (condition is None):
            logits = self.inner(x_t, t, condition).values
        else:
            logits = self._asked_anew(last, x_t, t, condition)
        self.answers[len(x_t)] = Answer(x_t, condition, logits)
        return TokenEstimate(logits)

    def _asked_anew(
        self, last: Answer, x_t: Tensor, t: Tensor, condition: Condition | None
    ) -> Tensor:
        changed = _differ(x_t, last.x_t)
        if condition is not None and last.condition is not None:
            for name, present in condition.present.items():
                changed |= _differ(present, last.condition.present[name])
                changed |= _differ(condition.values[name], last.condition.values[name])
        (rows,) = changed.nonzero(as_tuple=True)
        if not len(rows):
            return last.logits
        some = None if condition is None else condition.rows(rows)
        return last.logits.index_copy(0, rows, self.inner(x_t[rows], t[rows], some).values)


def _differ(new: Tensor, old: Tensor) -> Tensor:
    """Which rows are not the same, (batch,) bool."""
    return (new != old).reshape(len(new), -1).any(1)
