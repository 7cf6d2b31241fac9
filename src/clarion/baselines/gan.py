"""A conditional GAN: the relativistic loss of pairs, with both zero-centred gradient penalties.

    L_D = softplus(-(D(x) - D(G(z)))) + gamma/2 (|grad D(x)|² + |grad D(G(z))|²)
    L_G = softplus(-(D(G(z)) - D(x)))

Both networks descend at once, each on its own loss, and all that is known of how such descents
converge is about just that. One step is one gradient of one sum: in L_D the samples of the
generator are constants, in L_G the weights of the critic are, so neither loss has a gradient in the
other's weights.

Departures: blocks and resampling are those of the U-Net; the weights of the penalty and of the
optimiser stay as they are throughout.

Sources: Huang et al. 2025, arXiv 2501.05441 (R3GAN), equations 2 to 4 and section 3; Mescheder et
al. 2018, arXiv 1801.04406, section 4 (the penalties and local convergence); Miyato & Koyama 2018,
arXiv 1802.05637, equation 3 (how the critic is told the class).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from clarion.base.condition import Condition, ConditionSpec
from clarion.base.options import check_number, check_whole
from clarion.base.streams import SampleStreams
from clarion.nets.embed import ConditionEmbedding
from clarion.nets.unet import UNetConfig
from clarion.nets.vectors import Decoder, Encoder
from clarion.run.baseline_config import Baseline, BaselineConfig, Generator
from clarion.train.loss import hide_at_random
from clarion.train.objective import Objective
from clarion.train.validate import Figures


@dataclass(frozen=True)
class GAN(Baseline):
    """A generator and its critic.

    Args:
        network: sizes of the critic, a U-Net's way down, and of the generator, its way up.
        latent_size: random numbers of which a sample is made.
        gamma: weight of the gradient penalties, in model units; with 0 the two networks circle
            round each other.
    """

    called: ClassVar[str] = "a GAN"

    network: UNetConfig = field(default_factory=lambda: UNetConfig(attention_levels=()))
    latent_size: int = 64
    gamma: float = 1.0

    def __post_init__(self) -> None:
        check_whole("latent_size", self.latent_size, 1)
        check_number("gamma", self.gamma, 0)

    def build(self, shape: tuple[int, ...], spec: ConditionSpec) -> Adversaries:
        network = GANNetwork(self, shape, spec)
        return Adversaries(network, self.latent_size)


class Critic(nn.Module):
    """How much a sample looks like data of its condition, (batch,): <h(x), w + embed(condition)>.

    Args:
        config: sizes.
        shape: of a sample.
        spec: what it may be conditioned on.
    """

    def __init__(self, config: UNetConfig, shape: tuple[int, ...], spec: ConditionSpec) -> None:
        super().__init__()
        width = config.base_channels * 4
        self.read = Encoder(config, shape, spec, width)
        self.embed_condition = ConditionEmbedding(spec, width)
        self.weight = nn.Parameter(torch.randn(width))

    def forward(self, x: Tensor, condition: Condition | None) -> Tensor:
        features = self.read(x, condition)
        direction = self.weight + self.embed_condition(condition)
        return (features * direction).sum(1) / features.shape[1] ** 0.5


class GANNetwork(nn.Module):
    """Generator and critic.

    Args:
        config: sizes.
        shape: of a sample.
        spec: what it may be conditioned on.
    """

    def __init__(self, config: GAN, shape: tuple[int, ...], spec: ConditionSpec) -> None:
        super().__init__()
        self.generator = Decoder(config.network, shape, spec, config.latent_size)
        self.critic = Critic(config.network, shape, spec)


class Adversaries(Generator):
    """The generator and the critic that it is trained against.

    Args:
        network: with `generator`, (latent, condition) -> samples, and `critic`, (samples,
            condition) -> (batch,).
        latent_size: random numbers of which a sample is made.
        autocast_dtype: type in which they compute (None: that of their weights).
    """

    network: GANNetwork

    def __init__(
        self, network: GANNetwork, latent_size: int, autocast_dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.network = network  # pyright: ignore[reportIncompatibleVariableOverride]
        self.latent_size, self.autocast_dtype = latent_size, autocast_dtype

    def generate(self, latent: Tensor, condition: Condition | None) -> Tensor:
        with self.autocast(latent.device):
            samples = self.network.generator(latent, condition)
        return samples.to(latent.dtype)

    def judge(self, x: Tensor, condition: Condition | None, *, frozen: bool = False) -> Tensor:
        """What the critic says of samples, (batch,).

        Args:
            x: data or samples, (batch, *shape).
            condition: what is known of each.
            frozen: its weights are constants, so a gradient goes to the samples alone.
        """
        critic = self.network.critic
        # Of torch's kernels of attention, this one alone has a gradient of its gradient.
        with self.autocast(x.device), sdpa_kernel(SDPBackend.MATH):
            if frozen:
                weights = {name: p.detach() for name, p in critic.named_parameters()}
                score = functional_call(critic, weights, (x, condition))
            else:
                score = critic(x, condition)
        return score.to(x.dtype)


class AdversarialObjective(Objective[Adversaries]):
    """A GAN by the sum of the two losses, of which each has a gradient in its own network alone.

    A validation reports the critic's loss without penalties, which is log 2 = 0.693 where it cannot
    tell samples from data, and by itself says nothing of their quality.

    Args:
        config: a baseline that is a GAN.
    """

    def __init__(self, config: BaselineConfig) -> None:
        assert isinstance(config.baseline, GAN), "found by its kind"
        self.config, self.gan = config, config.baseline

    def build(self) -> Adversaries:
        return self.gan.build(self.config.shape, self.config.condition)

    def batch_loss(self, model: Adversaries, x0: Tensor, condition: Condition) -> Tensor:
        condition = hide_at_random(condition, self.config.condition)
        latent = torch.randn(len(x0), model.latent_size, device=x0.device, dtype=x0.dtype)
        made = model.generate(latent, condition)
        real, of_real = self._judge(model, x0, condition)
        fake, of_fake = self._judge(model, made.detach(), condition)
        critic = F.softplus(fake - real) + self.gan.gamma / 2 * (of_real + of_fake)
        generator = F.softplus(real.detach() - model.judge(made, condition, frozen=True))
        return (critic + generator).mean()

    def _judge(self, model: Adversaries, x: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        """What the critic says of each sample, and |its gradient there|², (batch,) both."""
        x = x.detach().requires_grad_()
        score = model.judge(x, condition)
        (slope,) = torch.autograd.grad(score.sum(), x, create_graph=True)
        return score, slope.square().flatten(1).sum(1)

    @torch.no_grad()
    def validate(
        self, model: Adversaries, x0: Tensor, condition: Condition, batch_size: int
    ) -> Figures:
        total = 0.0
        for start in range(0, len(x0), batch_size):
            rows = slice(start, start + batch_size)
            part, known = x0[rows], condition.rows(rows)
            streams = SampleStreams(0, range(start, start + len(part)))
            latent = streams.normal((model.latent_size,), device=part.device, dtype=part.dtype)
            made = model.generate(latent, known)
            lead = model.judge(part, known) - model.judge(made, known)
            total += float(F.softplus(-lead).double().sum())
        return {"validation": {"mean": total / len(x0)}}
