"""CFG++: guidance that goes on along the unconditional noise.

With D_g = D_0 + lambda (D_c - D_0) and 0 <= lambda <= 1, the step of DDIM from noise level s to s'
is y' = D_g + (s' / s) (y - D_0) instead of y' = D + (s' / s) (y - D). Both are the same for

D = D_0 + lambda / (1 - s' / s) (D_c - D_0):

CFG's formula at a scale that depends on the step.

Source: Chung et al. 2024, arXiv 2406.08070, algorithm 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.contrast.cfg import CFG
from clarion.guide.rule import Guidance
from clarion.process.gaussian import GaussianProcess
from clarion.process.process import Process


@dataclass(frozen=True)
class CFGPlusPlus(CFG):
    """CFG++, exact for `ddim` at eta = 0, which is `euler`.

    With another sampler whose steps are known, it is CFG at the scale above, and no more than that:
    fresh noise or an older estimate would enter the paper's step in another way. A sampler that
    asks twice at one noise level (`heun`, Langevin correctors) is refused.

    Args:
        guidance_scale: lambda, in [0, 1]. 0 is the unconditional model; 1 is the conditional one
            only where a step goes to clean data, and more than that elsewhere.
    """

    serves: ClassVar[tuple[type[Process], ...]] = (GaussianProcess,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.guidance_scale <= 1:
            raise ClarionError(
                f"guidance_scale of CFG++ must be in [0, 1], got {self.guidance_scale}."
            )
        if self.schedule != "constant":
            raise ClarionError(
                f"CFG++ has a schedule of its own; schedule must be 'constant', "
                f"got {self.schedule!r}."
            )

    def is_active_at(self, t: float) -> bool:
        return Guidance.is_active_at(self, t)

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        scale = self.guidance_scale / _share_removed(denoiser.process, visit)
        return CFG(scale).steer(denoiser, x_t, t, condition, visit)


def _share_removed(process: GaussianProcess, visit: Visit | None) -> float:
    """1 - s' / s: the share of the noise that a step takes away, in (0, 1]."""
    if visit is None or visit.next_t is None:
        raise ClarionError("CFG++ must know the step: use it with a sampler such as 'ddim'.")
    if visit.next_t == 0:  # clean data, whatever the process
        return 1.0
    times = torch.tensor([visit.next_t, visit.t], dtype=torch.float64)
    next_level, level = process.noise_level(times).tolist()
    if next_level >= level:
        raise ClarionError(
            f"CFG++ needs steps that take noise away, got one from level {level:.4g} to "
            f"{next_level:.4g}. Use a sampler that asks once a step, such as 'ddim'."
        )
    return 1 - next_level / level
