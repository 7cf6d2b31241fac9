"""Classifier-free guidance, with an interval outside which it rests.

mean = mean(absent) + guidance_scale (mean(condition) - mean(absent))

Of tokens the logarithms of the probabilities are combined so (Schiff et al. 2024, arXiv 2412.10193,
section 3.1, there for the transitions).

Sources: Ho & Salimans 2022, arXiv 2207.12598, equation 6, with guidance_scale = 1 + w, so that 1 is
the plain conditional model and 0 the unconditional one; Kynkäänniemi et al. 2024, arXiv 2404.07724
(the interval).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.compose import evaluate
from clarion.guide.contrast.rule import Contrast, given, is_number
from clarion.process.process import Process


@dataclass(frozen=True)
class CFG(Contrast):
    """Classifier-free guidance.

    A second evaluation is spent only where it changes the result: both passes run as one batch, and
    at scale 1, at scale 0 and outside the interval there is a single pass.

    Args:
        guidance_scale: 1 is the plain conditional model, 0 the unconditional one.
    """

    serves: ClassVar[tuple[type[Process], ...]] = (Process,)

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        if is_number(self.scale(x_t, t, visit), 0):
            return evaluate(denoiser, x_t, t, given(condition).opposite())[0]
        return super().steer(denoiser, x_t, t, condition, visit)

    def combine(
        self,
        worse: Estimate,
        better: Estimate,
        x_t: Tensor,
        t: Tensor,
        visit: Visit | None,
    ) -> Estimate:
        return Estimate.extrapolate(worse, better, self.scale(x_t, t, visit))
