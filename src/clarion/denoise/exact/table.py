"""The exact denoiser, and the exact classifier, of tokens whose every sequence can be listed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from clarion.base.condition import ClassEntry, Condition, ConditionSpec
from clarion.base.errors import ClarionError
from clarion.denoise.classifier import NoisyClassifier
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import TokenEstimate
from clarion.denoise.exact.normal import as_numbers
from clarion.denoise.exact.tokens import TokenDistribution
from clarion.process.tokens import TokenProcess


class TokenTable:
    """p(x0, y) of sequences and classes, and what follows from it for noisy sequences.

    Args:
        process: how the tokens are lost.
        classes: p(x0 | y), one distribution for each class.
        weights: p(y), adding up to 1; None for equal ones.
    """

    def __init__(
        self,
        process: TokenProcess,
        classes: Sequence[TokenDistribution],
        weights: Sequence[float] | None = None,
    ) -> None:
        shapes = {tuple(part.probabilities.shape) for part in classes}
        if len(shapes) != 1 or classes[0].vocabulary != process.vocabulary:
            raise ClarionError(
                f"classes must be distributions of one shape and of {process.vocabulary} tokens, "
                f"got {shapes or 'none'}."
            )
        share = [1 / len(classes)] * len(classes) if weights is None else weights
        self.process, self.length = process, classes[0].length
        self.weights = as_numbers("weights", share, (len(classes),))
        self.sequences = classes[0].sequences
        flat = torch.stack([part.probabilities.flatten() for part in classes])
        self.joint = self.weights[:, None] * flat  # p(x0, y), (classes, sequences)

    def posterior(self, x_t: Tensor, t: Tensor) -> Tensor:
        """p(x_t, x0, y), (batch, classes, sequences).

        Args:
            x_t: (batch, length) tokens, or vectors (batch, length, num_states).
            t: times, (batch,).
        """
        # At t = 1 nothing is left of the data; what a rule shows there nevertheless, counts as it
        # does just before.
        t = t.double().clamp(max=1 - 1e-9)
        likelihood = self._likelihood(x_t, t)  # (batch, length, vocabulary)
        places = torch.arange(self.length)
        of_sequences = likelihood[:, places, self.sequences].prod(-1)  # (batch, sequences)
        return of_sequences[:, None] * self.joint

    def _likelihood(self, x_t: Tensor, t: Tensor) -> Tensor:
        """q(x_t | x0) of each position, or of vectors the same, linear in each."""
        if not x_t.is_floating_point():
            return self.process.likelihood(x_t, t)
        states = torch.arange(self.process.num_states).expand(len(x_t), -1)
        return x_t.double() @ self.process.likelihood(states, t)


class TableDenoiser(Denoiser):
    """p(x0 | x_t, y) of each position, by sums over all sequences.

    Without a label it is that of the mixture of all classes.

    Args:
        process, classes, weights: see `TokenTable`.
    """

    def __init__(
        self,
        process: TokenProcess,
        classes: TokenDistribution | Sequence[TokenDistribution],
        weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(process)
        classes = [classes] if isinstance(classes, TokenDistribution) else classes
        self.table = TokenTable(process, classes, weights)

    @property
    def condition_spec(self) -> ConditionSpec:
        """The class, if there are several."""
        count = len(self.table.weights)
        return {"label": ClassEntry(count)} if count > 1 else {}

    def estimate(self, x_t: Tensor, t: Tensor, condition: Condition | None) -> TokenEstimate:
        weights = self.table.posterior(x_t, t)
        if condition is not None and "label" in condition.values:
            own = F.one_hot(condition.values["label"], weights.shape[1]).bool()
            weights = weights * (own | ~condition.present["label"][:, None])[..., None]
        flat = weights.sum(1)
        # Where nothing leads to x_t, no answer is wrong; NaN would be one that spreads.
        flat = flat / flat.sum(1, keepdim=True).clamp(min=torch.finfo(flat.dtype).tiny)
        table = flat.reshape(-1, *[self.process.vocabulary] * self.table.length)
        axes = range(1, self.table.length + 1)
        of_positions = [table.sum([j for j in axes if j != i]) for i in axes]
        return TokenEstimate.of_probabilities(torch.stack(of_positions, 1))


class TableClassifier(NoisyClassifier):
    """log p(y | x_t), by sums over all sequences.

    Args:
        process, classes, weights: see `TokenTable`.
    """

    def __init__(
        self,
        process: TokenProcess,
        classes: Sequence[TokenDistribution],
        weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(process, len(classes))
        self.table = TokenTable(process, classes, weights)

    def log_probabilities(self, x_t: Tensor, t: Tensor) -> Tensor:
        of_classes = self.table.posterior(x_t, t).sum(-1)
        return (of_classes / of_classes.sum(-1, keepdim=True)).log()
