"""What a training makes, and by what loss: all that the loop does not know."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise.asked import AskedNetwork
from clarion.process.gaussian import GaussianProcess
from clarion.process.tokens import TokenProcess
from clarion.run.config import AnyDenoiser, LossConfig, ModelConfig
from clarion.train.loss import DenoisingLoss, batch_loss
from clarion.train.token_bound import TokenBound
from clarion.train.validate import Figures, validation_loss

M = TypeVar("M", bound=AskedNetwork)


class Objective(ABC, Generic[M]):
    """One network, and one loss whose gradient trains it.

    All randomness of `batch_loss` is torch's, which the loop seeds for each step; nothing is
    remembered from one step to the next. Two networks that are trained against each other are one
    module here, and their losses one sum, of which each has a gradient in its own network alone:
    they step at once, under one optimiser (`baselines/gan.py`).
    """

    @abstractmethod
    def build(self) -> M:
        """What is trained, its network freshly initialised from torch's random state."""

    @abstractmethod
    def batch_loss(self, model: M, x0: Tensor, condition: Condition) -> Tensor:
        """The loss of a training batch, a scalar with a gradient.

        Args:
            model: what `build` gave.
            x0: clean data in model units, (batch, *shape).
            condition: what is known of each sample.
        """

    @abstractmethod
    def validate(self, model: M, x0: Tensor, condition: Condition, batch_size: int) -> Figures:
        """What a validation reports; "validation" is the loss. Arguments as above."""


class DenoisingObjective(Objective[AnyDenoiser]):
    """A denoiser: of numbers by its squared error, of tokens by the bound of their likelihood.

    Args:
        model: the denoiser.
        loss: noise levels and their weights; not read for tokens, whose bound has its own.
    """

    def __init__(self, model: ModelConfig, loss: LossConfig) -> None:
        self.model = model
        self.loss = _loss_of(model, loss)

    def build(self) -> AnyDenoiser:
        return self.model.build()

    def batch_loss(self, model: AnyDenoiser, x0: Tensor, condition: Condition) -> Tensor:
        return batch_loss(self.loss, model, x0, condition, self.model.condition)

    def validate(
        self, model: AnyDenoiser, x0: Tensor, condition: Condition, batch_size: int
    ) -> Figures:
        return {"validation": validation_loss(self.loss, model, x0, condition, batch_size)}


def _loss_of(model: ModelConfig, loss: LossConfig) -> DenoisingLoss | TokenBound:
    process = model.process
    if isinstance(process, TokenProcess):
        return TokenBound(process)
    assert isinstance(process, GaussianProcess), "there is no third kind"
    return DenoisingLoss(loss, process, model.sigma_data)
