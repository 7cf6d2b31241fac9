"""The perfect classifier of noisy data of a mixture."""

from __future__ import annotations

from torch import Tensor

from clarion.denoise.classifier import NoisyClassifier
from clarion.denoise.exact.mixture import NormalsDenoiser


class MixtureClassifier(NoisyClassifier):
    """log p(class | x_t) of labelled mixture data, by Bayes' rule.

    Args:
        mixture: the exact denoiser of the same data.
    """

    def __init__(self, mixture: NormalsDenoiser) -> None:
        super().__init__(mixture.process, mixture.num_classes)
        self.mixture = mixture

    def log_probabilities(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.mixture.log_class_posterior(x_t, t)
