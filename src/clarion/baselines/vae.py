"""A conditional variational autoencoder with free bits.

    log p(x | c) >= E[log N(x; decode(z, c), sigma²)] - KL(q(z | x, c) || N(0, 1)),    z ~ q

The encoder gives mean and deviation of each number of z by itself. In training no number of z is
made to hold less than its free bits, so that none is given up before it has learnt anything; what a
validation reports is the bound itself.

Sources: Kingma & Welling 2014, arXiv 1312.6114, equation 10; Kingma et al. 2016, arXiv 1606.04934,
appendix C.8 (free bits; here each number of z is a group); Rybkin et al. 2021, arXiv 2006.13202,
section 3 (one learned sigma).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from clarion.base.condition import Condition, ConditionSpec
from clarion.base.options import check_number, check_whole
from clarion.base.streams import SampleStreams
from clarion.nets.unet import UNetConfig
from clarion.nets.vectors import Decoder, Encoder
from clarion.run.baseline_config import Baseline, BaselineConfig, Generator
from clarion.train.loss import hide_at_random
from clarion.train.objective import Objective
from clarion.train.validate import Figures

LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE = -20.0, 4.0
"""Of q: beyond them an encoder that is not trained yet would make numbers infinite."""


@dataclass(frozen=True)
class VAE(Baseline):
    """A variational autoencoder.

    Args:
        network: sizes of the encoder, a U-Net's way down, and of the decoder, its way up.
        latent_size: numbers of z.
        free_bits: what each of them may hold for nothing, in bits; 0 trains by the bound itself.
        sigma: deviation of the decoder in model units; None learns it.
    """

    called: ClassVar[str] = "a VAE"

    network: UNetConfig = field(default_factory=lambda: UNetConfig(attention_levels=()))
    latent_size: int = 64
    free_bits: float = 0.1
    sigma: float | None = None

    def __post_init__(self) -> None:
        check_whole("latent_size", self.latent_size, 1)
        check_number("free_bits", self.free_bits, 0)
        if self.sigma is not None:
            check_number("sigma", self.sigma, 0, excludes_low=True)

    def build(self, shape: tuple[int, ...], spec: ConditionSpec) -> Autoencoder:
        network = VAENetwork(self, shape, spec)
        return Autoencoder(network, self.latent_size)


class VAENetwork(nn.Module):
    """Encoder, decoder, and the logarithm of the decoder's deviation.

    Args:
        config: sizes.
        shape: of a sample.
        spec: what it may be conditioned on.
    """

    log_sigma: Tensor

    def __init__(self, config: VAE, shape: tuple[int, ...], spec: ConditionSpec) -> None:
        super().__init__()
        size = config.latent_size
        self.encoder = Encoder(config.network, shape, spec, 2 * size)
        self.decoder = Decoder(config.network, shape, spec, size)
        log_sigma = torch.zeros(()) if config.sigma is None else torch.tensor(config.sigma).log()
        if config.sigma is None:
            self.log_sigma = nn.Parameter(log_sigma)
        else:
            self.register_buffer("log_sigma", log_sigma)


class Bound(NamedTuple):
    """The two parts of the bound, in nats.

    Args:
        log_likelihood: log N(x0; decode(z), sigma²) of each sample, (batch,).
        divergence: KL of each number of z, (batch, latent_size).
    """

    log_likelihood: Tensor
    divergence: Tensor


class Autoencoder(Generator):
    """Encoder and decoder.

    Args:
        network: with `encoder`, (x0, condition) -> mean and log-variance of z side by side;
            `decoder`, (z, condition) -> mean of x0; and `log_sigma`.
        latent_size: numbers of z.
        autocast_dtype: type in which they compute (None: that of their weights).
    """

    network: VAENetwork

    def __init__(
        self, network: VAENetwork, latent_size: int, autocast_dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.network = network  # pyright: ignore[reportIncompatibleVariableOverride]
        self.latent_size, self.autocast_dtype = latent_size, autocast_dtype

    def encode(self, x0: Tensor, condition: Condition | None) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance of q(z | x0, condition), (batch, latent_size) each."""
        with self.autocast(x0.device):
            found = self.network.encoder(x0, condition)
        mean, log_variance = found.to(x0.dtype).chunk(2, 1)
        return mean, log_variance.clamp(LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE)

    def generate(self, latent: Tensor, condition: Condition | None) -> Tensor:
        """The means of the decoder; its noise is left out, as it is of pictures that are shown."""
        with self.autocast(latent.device):
            mean = self.network.decoder(latent, condition)
        return mean.to(latent.dtype)

    def bound(self, x0: Tensor, noise: Tensor, condition: Condition | None) -> Bound:
        """The bound's parts at z = mean + deviation noise.

        Args:
            x0: clean data in model units, (batch, *shape).
            noise: standard normal numbers, (batch, latent_size).
            condition: what is known of each sample.
        """
        mean, log_variance = self.encode(x0, condition)
        z = mean + (log_variance / 2).exp() * noise
        log_sigma = self.network.log_sigma
        residual = (x0 - self.generate(z, condition)) / log_sigma.exp()
        log_density = -0.5 * residual.square() - log_sigma - 0.5 * math.log(2 * math.pi)
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance) / 2
        return Bound(log_density.flatten(1).sum(1), divergence)


class EvidenceObjective(Objective[Autoencoder]):
    """A VAE by the lower bound of its likelihood.

        loss = -(log_likelihood - sum_j max(free, mean over the batch of divergence_j)) / dimensions

    in nats a dimension; a validation reports the bound without free bits, in bits a dimension, both
    of densities in model units.

    Args:
        config: a baseline that is a VAE.
    """

    def __init__(self, config: BaselineConfig) -> None:
        assert isinstance(config.baseline, VAE), "found by its kind"
        self.config, self.vae = config, config.baseline

    def build(self) -> Autoencoder:
        return self.vae.build(self.config.shape, self.config.condition)

    def batch_loss(self, model: Autoencoder, x0: Tensor, condition: Condition) -> Tensor:
        condition = hide_at_random(condition, self.config.condition)
        noise = torch.randn(len(x0), model.latent_size, device=x0.device)
        found = model.bound(x0, noise, condition)
        free = self.vae.free_bits * math.log(2)
        held = found.divergence.mean(0).clamp(min=free).sum()
        return (held - found.log_likelihood.mean()) / x0[0].numel()

    @torch.no_grad()
    def validate(
        self, model: Autoencoder, x0: Tensor, condition: Condition, batch_size: int
    ) -> Figures:
        total = 0.0
        for start in range(0, len(x0), batch_size):
            rows = slice(start, start + batch_size)
            part = x0[rows]
            streams = SampleStreams(0, range(start, start + len(part)))
            noise = streams.normal((model.latent_size,), device=part.device, dtype=part.dtype)
            found = model.bound(part, noise, condition.rows(rows))
            total += float((found.divergence.sum(1) - found.log_likelihood).double().sum())
        return {"validation": {"mean": total / x0.numel() / math.log(2)}}
