"""Trainings of what Clarion's own are held against.

Each is made like a training of Clarion's: data, batch size, optimiser and length stay as they are,
so that what differs is the method.
"""

from __future__ import annotations

from dataclasses import replace

from clarion.domains.image.recipes import images
from clarion.process.gaussian import VE, VPLinear
from clarion.run.config import LossConfig, TrainConfig

PLAIN = LossConfig(levels="time_uniform", weighting="noise")
"""The squared error of the predicted noise, with nothing before it, at times drawn evenly."""


def ddpm() -> TrainConfig:
    """The plain diffusion of your own pictures: noise predicted at uniform times.

    Command: `clarion train ddpm --data FOLDER --size 32 --resize crop`; sampled as it usually is,
    `clarion sample RUN --sampler ddim --grid time_uniform --num-steps 50 --guidance cfg:2`. The
    network is that of `images`.
    """
    return ddpm_like(images())


def ncsn() -> TrainConfig:
    """Scores of your own pictures under noise of growing variance.

    Command: `clarion train ncsn --data FOLDER --size 32 --resize crop`; sampled with `--grid
    time_uniform` by `--sampler predictor_corrector --num-steps 200`, or by `--sampler
    annealed_langevin --num-steps 200`. The network is that of `images`.
    """
    return ncsn_like(images())


def ddpm_like(training: TrainConfig) -> TrainConfig:
    """DDPM, with labels hidden from one picture in ten for classifier-free guidance.

        loss = |noise - net(x_t, t)|²,    t uniform

    Source: Ho et al. 2020, arXiv 2006.11239, equation 14. Its 1000 steps from beta 1e-4 to 0.02 are
    `vp_linear` in continuous time (Song et al. 2021, arXiv 2011.13456, appendix C).
    """
    return replace(
        training,
        process=VPLinear(),
        prediction_type="noise",
        loss=PLAIN,
        condition_dropout=0.1,
        condition_dropouts={},
    )


def ncsn_like(training: TrainConfig) -> TrainConfig:
    """NCSN++: the score by denoising, the network divided by the level of the noise.

        loss = sigma² |score(x_t, t) + noise / sigma|²,    log sigma uniform,    score = net / sigma

    which is once more the plain squared error of the noise. Departure: the network is that of the
    other trainings, told the noise level as they are, and its input is scaled to unit variance.
    Source: Song et al. 2021, arXiv 2011.13456, equation 7 and section 4.4; Song & Ermon 2020, arXiv
    2006.09011, for the ratio of the levels and the division.
    """
    return replace(
        training,
        process=VE(),
        prediction_type="noise",
        loss=PLAIN,
        condition_dropout=0.0,
        condition_dropouts={},
    )
