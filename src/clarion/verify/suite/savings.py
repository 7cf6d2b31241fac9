"""Adaptive guidance: at which noise levels it saves passes."""

from __future__ import annotations

import torch

from clarion.base.condition import Condition
from clarion.denoise import Visit
from clarion.denoise.exact.mixture import LABEL
from clarion.guide.contrast.adaptive import Adaptive
from clarion.process.gaussian import GaussianProcess
from clarion.verify.finding import Finding
from clarion.verify.targets import TARGETS

HIDDEN = (50.0, 20.0, 8.0)
"""Noise levels far above the distance between the classes, some 3: the condition is all there is
to go by, and guidance has its effect."""

SEEN = (0.05, 0.04)
"""Noise levels far below it: nearly all classes are seen, and both estimates are the same."""

EXCEPTIONS = 0.05
"""Share of samples that may do otherwise: in two dimensions some estimates point the same way by
chance, and where the classes overlap no noise level is so low that one is seen."""

NUM_SAMPLES = 512


def saving_findings(
    name: str, rule: Adaptive, process_name: str, process: GaussianProcess
) -> list[Finding]:
    """What the rule spends on its way from noise to data, past exact estimates.

    A single stop, at which it is CFG, would not tell: it drops samples from one to the next.
    """
    target = TARGETS["classes"]
    denoiser = target.denoiser(process)
    generator = torch.Generator().manual_seed(3)
    x0 = target.draw(NUM_SAMPLES, generator)
    noise = torch.randn(x0.shape, dtype=torch.float64, generator=generator)
    present = torch.ones(NUM_SAMPLES, dtype=torch.bool)
    condition = Condition({LABEL: torch.arange(NUM_SAMPLES) % 2}, {LABEL: present})
    guided, memory, shares = rule(denoiser), {}, []
    for time in process.time_of_noise_level(torch.tensor(HIDDEN + SEEN, dtype=torch.float64)):
        t, before = time.expand(NUM_SAMPLES), denoiser.num_evaluations
        guided.at(Visit(float(time), memory=memory))(process.perturb(x0, t, noise), t, condition)
        shares.append((denoiser.num_evaluations - before) / NUM_SAMPLES - 1)
    least, last = min(shares[: len(HIDDEN)]), shares[-1]
    return [
        Finding(name, f"share of samples guided {where}", share, low, high, process_name)
        for where, share, low, high in (
            ("while noise hides the classes", least, 1 - EXCEPTIONS, 1.0),
            ("once the classes are seen", last, 0.0, EXCEPTIONS),
        )
    ]
