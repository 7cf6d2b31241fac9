"""Asks about noisy tokens again only where something has changed.

Of masked tokens p(x0 | x_t) does not depend on t, given x_t: how many masks there are says nothing
of what stands behind them. A network that is not told the noise level says the same of a sequence
until one of its tokens changes, which in many short steps is seldom: in N steps of equal length in
alpha, a sequence of L tokens changes in N (1 - (1 - 1 / N)^L), fewer than L. Of classifiers the
same is true.

Sources: Ou et al. 2024, arXiv 2406.03736 (the time drops out; that number of evaluations); Sahoo et
al. 2024, arXiv 2406.07524 (what is known of unchanged sequences is used again).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise.denoiser import Denoiser, DenoiserWrapper, Visit
from clarion.denoise.estimate import Estimate, TokenEstimate


class RowMemory:
    """Answers about the rows of a batch, asked for again only where a row has changed.

    Which rows have changed is read by the host; what is not asked must cost more than that wait.
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[Sequence[Tensor], Tensor]] = {}  # by the number of rows

    def recall(self, given: Sequence[Tensor], ask: Callable[[Tensor], Tensor]) -> Tensor:
        """The answers about all rows, (batch, ...).

        Args:
            given: all that an answer depends on, each (batch, ...).
            ask: numbers of rows, (rows,) int64 -> the answers about them, (rows, ...).
        """
        n, device = len(given[0]), given[0].device
        before, answers = self._last.get(n, ((), None))
        if answers is None or len(before) != len(given):
            answers = ask(torch.arange(n, device=device))
        else:
            changed = torch.zeros(n, dtype=torch.bool, device=device)
            for new, old in zip(given, before, strict=True):
                changed |= (new != old).reshape(n, -1).any(1)
            (rows,) = changed.nonzero(as_tuple=True)
            answers = answers.index_copy(0, rows, ask(rows)) if len(rows) else answers
        self._last[n] = given, answers
        return answers


class UnchangedRows(DenoiserWrapper):
    """The same estimates, with fewer evaluations, while a sampler is on its way.

    Args:
        inner: a denoiser of tokens that does not read the time.
        memory: of this run of a sampler; None outside of one, where every row is asked about.
    """

    def __init__(self, inner: Denoiser, memory: RowMemory | None = None) -> None:
        super().__init__(inner)
        assert not inner.reads_time, "its estimates would depend on t"
        self.memory = memory

    def at(self, visit: Visit) -> Denoiser:
        return UnchangedRows(self.inner.at(visit), visit.memory.setdefault(id(self), RowMemory()))

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Estimate:
        if self.memory is None:
            return self.inner(x_t, t, condition)
        given = [x_t]
        if condition is not None:
            given += [*condition.present.values(), *condition.values.values()]

        def ask(rows: Tensor) -> Tensor:
            some = None if condition is None else condition.rows(rows)
            return self.inner(x_t[rows], t[rows], some).values

        return TokenEstimate(self.memory.recall(given, ask))
