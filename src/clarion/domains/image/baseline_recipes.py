"""Trainings of what Clarion's own are held against.

Each is made like a training of Clarion's: data, batch size, optimiser and length stay as they are,
so that what differs is the method.
"""

from __future__ import annotations

from dataclasses import fields, replace

from clarion.baselines.gan import GAN
from clarion.baselines.vae import VAE
from clarion.domains.image.recipes import images
from clarion.nets.unet import UNetConfig
from clarion.process.gaussian import VE, VPLinear
from clarion.run.baseline_config import Baseline, BaselineTrainConfig
from clarion.run.config import LossConfig, TrainConfig, TrainingConfig

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


def gan() -> BaselineTrainConfig:
    """A GAN of your own pictures.

    Command: `clarion train gan --data FOLDER --size 32 --resize crop`; `clarion sample RUN`. What
    is sampled are the averaged weights. The levels are those of `images`, on the critic's way down
    and the generator's way up.
    """
    return gan_like(images())


def vae() -> BaselineTrainConfig:
    """A variational autoencoder of your own pictures.

    Command: `clarion train vae --data FOLDER --size 32 --resize crop`; `clarion sample RUN`. The
    levels are those of `images`, on the encoder's way down and the decoder's way up.
    """
    return vae_like(images())


def gan_like(training: TrainConfig) -> BaselineTrainConfig:
    """A GAN with the sizes of a training's U-Net, without attention.

    Adam has no momentum, as is usual where two networks descend against each other, and half the
    learning rate; the gradient, which the penalty keeps in bounds, is not shortened.
    Source of the optimiser: Huang et al. 2025, arXiv 2501.05441, appendix D.
    """
    optimizer = replace(
        training.optimizer,
        learning_rate=0.5 * training.optimizer.learning_rate,
        betas=(0.0, 0.99),
        clip_norm=None,
    )
    return replace(_baseline(training, GAN(_sizes(training))), optimizer=optimizer)


def vae_like(training: TrainConfig) -> BaselineTrainConfig:
    """A variational autoencoder with the sizes of a training's U-Net, without attention."""
    return _baseline(training, VAE(_sizes(training)))


def _sizes(training: TrainConfig) -> UNetConfig:
    assert isinstance(training.network, UNetConfig), "recipes of pictures have U-Nets"
    return replace(training.network, attention_levels=())


def _baseline(training: TrainConfig, baseline: Baseline) -> BaselineTrainConfig:
    """The same data, loop and optimiser for a baseline."""
    shared = {f.name: getattr(training, f.name) for f in fields(TrainingConfig)}
    return BaselineTrainConfig(baseline=baseline, **shared)
