"""An ensemble that predicts a number of a sequence, with intervals that hold.

The examples fall into K folds, and network k never sees fold k. With R_i = |error| on example i of
the network that did not see it, an interval of level 1 - a for a new x reaches from the a quantile
of { f_k(i)(x) - R_i } over all examples i to the 1 - a quantile of { f_k(i)(x) + R_i }. It holds at
least about 1 - 2 a of new examples that are drawn as the old ones, whatever the networks are, and
about 1 - a in practice. Designs are not drawn as the data: there it is a guide, and no promise.

Source: Barber, Candès, Ramdas & Tibshirani 2021, Predictive inference with the jackknife+, doi
10.1214/20-AOS1965, section 3 (CV+).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.base.errors import DataError
from clarion.base.options import check_number, check_whole
from clarion.base.streams import mix_seed
from clarion.nets.regressor import Regressor, RegressorConfig

OnStep = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@dataclass(frozen=True)
class EnsembleConfig:
    """How the networks are made.

    Args:
        network: sizes of each.
        num_folds: networks, at least 2.
        num_steps: of each.
        batch_size: examples a step.
        learning_rate: the highest; it falls linearly to 0.
        weight_decay: of AdamW.
        seed: of folds, weights and order.
    """

    network: RegressorConfig = field(default_factory=RegressorConfig)
    num_folds: int = 5
    num_steps: int = 1000
    batch_size: int = 128
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("num_folds", self.num_folds, 2)
        for name in ("num_steps", "batch_size"):
            check_whole(name, getattr(self, name), 1)
        check_number("learning_rate", self.learning_rate, 0, excludes_low=True)
        check_number("weight_decay", self.weight_decay, 0)

    def check(self, n: int) -> None:
        """Refuse to fit so many examples if they are too few for the folds.

        Raises:
            DataError: if a fold would have fewer than two.
        """
        if n < 2 * self.num_folds:
            raise DataError(
                f"An ensemble of {self.num_folds} networks needs at least {2 * self.num_folds} "
                f"examples, got {n}; num_folds says how many networks there are."
            )


class Ensemble(nn.Module):
    """K networks and their errors on what they did not see; see `fit`.

    Args:
        members: the networks, for values of mean 0 and deviation 1.
        mean: of the values, in their units.
        std: of the values.
        folds: fold of each example, (n,).
        errors: |error| of the network that did not see it, in units of the values, (n,).
    """

    folds: Tensor
    errors: Tensor

    def __init__(
        self, members: list[Regressor], mean: float, std: float, folds: Tensor, errors: Tensor
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.mean, self.std = mean, std
        self.register_buffer("folds", folds)
        self.register_buffer("errors", errors)

    def each(self, x: Tensor) -> Tensor:
        """What each network says, (num_folds, batch), in units of the values."""
        return self.mean + self.std * torch.stack([member(x) for member in self.members])

    def forward(self, x: Tensor) -> Tensor:
        """Their mean, (batch,), of tokens or of vectors; differentiable for vectors."""
        return self.each(x).mean(0)

    @torch.no_grad()
    def held_out(self, x: Tensor) -> Tensor:
        """What the network that did not see it says of each example, (n,).

        Args:
            x: the examples of the training, in their order, (n, length).
        """
        values = torch.cat([self.each(part) for part in x.split(4096)], dim=1)
        return values[self.folds, torch.arange(len(x))]

    @torch.no_grad()
    def interval(self, x: Tensor, level: float = 0.9) -> tuple[Tensor, Tensor]:
        """Lower and upper ends, (batch,) each; see above for what they promise.

        Args:
            x: (batch, length).
            level: in (0, 1).
        """
        tail = 1 - level
        values = self.each(x).double()[self.folds]  # (examples, batch)
        low = torch.quantile(values - self.errors[:, None].double(), tail, dim=0)
        high = torch.quantile(values + self.errors[:, None].double(), 1 - tail, dim=0)
        return low, high


def fit_ensemble(
    tokens: Tensor,
    values: Tensor,
    num_states: int,
    config: EnsembleConfig,
    on_step: OnStep | None = None,
) -> Ensemble:
    """Train an ensemble.

    Args:
        tokens: (n, length) int64.
        values: (n,), finite.
        num_states: number of different tokens.
        config: how.
        on_step: called after each step.

    Raises:
        DataError: if there are fewer examples than folds, or all values are alike.
    """
    n, length = tokens.shape
    config.check(n)
    mean, std = float(values.double().mean()), float(values.double().std())
    if not std > 0:
        raise DataError(f"All {n} values are {mean:g}: there is nothing to predict.")
    generator = torch.Generator().manual_seed(mix_seed(config.seed, "folds"))
    folds = torch.randperm(n, generator=generator) % config.num_folds
    scaled = ((values - mean) / std).float()
    members, errors = [], torch.empty(n)
    for fold in range(config.num_folds):
        torch.manual_seed(mix_seed(config.seed, "member", fold))
        member = Regressor(config.network, length, num_states)
        seen = torch.nonzero(folds != fold)[:, 0]
        _fit(member, tokens[seen], scaled[seen], config, fold, on_step)
        held = torch.nonzero(folds == fold)[:, 0]
        with torch.no_grad():
            found = torch.cat([member(part) for part in tokens[held].split(4096)])
        errors[held] = std * (found - scaled[held]).abs()
        members.append(member)
    return Ensemble(members, mean, std, folds, errors).requires_grad_(False)


def _fit(
    member: Regressor,
    tokens: Tensor,
    values: Tensor,
    config: EnsembleConfig,
    fold: int,
    on_step: OnStep | None,
) -> None:
    optimizer = torch.optim.AdamW(
        member.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    total = config.num_steps * config.num_folds
    for step in range(config.num_steps):
        optimizer.param_groups[0]["lr"] = config.learning_rate * (1 - step / config.num_steps)
        rows = torch.randint(len(tokens), (min(config.batch_size, len(tokens)),))
        optimizer.zero_grad()
        F.mse_loss(member(tokens[rows]), values[rows]).backward()
        optimizer.step()
        if on_step is not None:
            on_step(fold * config.num_steps + step + 1, total)
    member.eval()
