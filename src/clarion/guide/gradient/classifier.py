"""Guidance by the gradient of a classifier of noisy data.

score = grad log p(x_t) + scale grad log p(label | x_t)

where p(x_t) is the model's without the label. By Bayes' rule scale 1 is the conditional model, and
a larger scale samples p(x) p(label | x)^scale at each noise level.

Source: Dhariwal & Nichol 2021, arXiv 2105.05233, equations 2 and 10 (algorithm 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.shapes import expand_like
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.by_classifier import ByClassifier


@dataclass(frozen=True)
class ClassifierGuidance(ByClassifier):
    """Steers samples towards their labels by a classifier; see `ByClassifier`."""

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        label, present, without = self.parts(condition)
        plain = denoiser(x_t, t, without)
        if self.scale == 0:
            return plain
        denoiser.count_gradients(len(x_t))
        pull = self._pull(x_t, t, label, present)
        process = denoiser.process
        # Adding g to the score adds sigma² / alpha g to the mean.
        weight = self.scale * process.sigma(t) ** 2 / process.alpha(t)
        return Estimate(plain.mean + expand_like(weight, x_t) * pull)

    def _pull(self, x_t: Tensor, t: Tensor, label: Tensor, present: Tensor) -> Tensor:
        """grad log p(label | x_t), (batch, *shape); 0 where the label is absent."""
        is_within = torch.is_grad_enabled() and x_t.requires_grad
        with torch.enable_grad():  # the loop of a sampler keeps no gradients
            x = x_t if is_within else x_t.detach().requires_grad_()
            of_own = self.classifier(x, t).gather(1, label.unsqueeze(1)).squeeze(1)
            total = torch.where(present, of_own, 0.0).sum()
            (pull,) = torch.autograd.grad(total, x, create_graph=is_within)
        return pull
