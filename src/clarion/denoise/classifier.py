"""The contract of classifiers of noisy data."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from clarion.denoise.known_data import KnownData
from clarion.process.process import Process


class NoisyClassifier(nn.Module):
    """Maps noisy data to the logarithms of the probabilities of its classes, log p(class | x_t).

    A classifier owns its process and counts its evaluations. It implements `log_probabilities`.

    Args:
        process: how the data was noised.
        num_classes: number of classes.
        data: which data it knows, with the label that it tells, so that what does not fit can be
            refused; None: not said.
    """

    def __init__(self, process: Process, num_classes: int, data: KnownData | None = None) -> None:
        super().__init__()
        self.process, self.num_classes, self.data = process, num_classes, data
        self.num_evaluations = 0

    @property
    def reads_time(self) -> bool:
        """Whether what it says depends on t, given x_t."""
        return True

    @abstractmethod
    def log_probabilities(self, x_t: Tensor, t: Tensor) -> Tensor:
        """The logarithms themselves; see `forward`."""
        raise NotImplementedError

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Classify.

        Args:
            x_t: noisy data, (batch, *shape).
            t: times in [process.t_min, process.t_max], (batch,).

        Returns:
            (batch, num_classes); the exponentials of each row add up to 1.
        """
        self.num_evaluations += len(x_t)
        return self.log_probabilities(x_t, t)
