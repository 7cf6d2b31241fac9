"""DiffWave: a network of dilated convolutions for waveforms and other signals.

A stack of residual layers keeps the full resolution. The dilation of their convolutions doubles
from layer to layer and begins anew after each cycle, so that all of a neighbourhood is seen after
a few layers; as nothing is made step by step, they look both ways. Layer i of n does

    h = W_i * (x + V_i e) + C_i c,    x <- (x + A_i g) / sqrt(2),    skip_i = B_i g,
    g = tanh(first half of h) sigmoid(second half of h),

with e the embedding of the noise level, c the fields brought to the resolution of the samples, and
what leaves is two convolutions of sum_i skip_i / sqrt(n).

Departures: the noise level is embedded as in all networks here, for it is no number of a step;
classes, vectors and texts are added to its embedding.

Source: Kong et al. 2021, arXiv 2009.09761, section 3 and figure 2; the sizes are those of its
appendix C.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.base.condition import Condition, ConditionSpec
from clarion.base.errors import ClarionError
from clarion.nets.blocks import zeroed
from clarion.nets.config import NetworkConfig
from clarion.nets.embed import ConditionEmbedding, NoiseEmbedding
from clarion.nets.fields import FieldInput, split_fields

WIDTH, NUM_FREQUENCIES = 512, 128
SLOPE = 0.4


@dataclass(frozen=True)
class DiffWaveConfig(NetworkConfig):
    """Sizes of a DiffWave; by default those published as the base, 2.6 million weights.

    Args:
        channels: of each residual layer.
        num_layers: residual layers.
        dilation_cycle: layers after which the dilation, which doubles from each to the next,
            begins again at 1.
        upsampling: steps, each even, by which fields are brought to the resolution of the samples:
            their product is the number of samples of a frame, as the hop of a spectrogram. () for
            fields of the resolution of the samples.
    """

    channels: int = 64
    num_layers: int = 30
    dilation_cycle: int = 10
    upsampling: tuple[int, ...] = (16, 16)

    def __post_init__(self) -> None:
        for name in ("channels", "num_layers", "dilation_cycle"):
            if getattr(self, name) < 1:
                raise ClarionError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if any(step < 2 or step % 2 for step in self.upsampling):
            raise ClarionError(f"upsampling must be even steps from 2, got {self.upsampling}.")

    @property
    def takes_any_length(self) -> bool:
        return True

    def build(self, shape: tuple[int, ...], spec: ConditionSpec) -> nn.Module:
        return DiffWave(self, shape, spec)

    @property
    def dilations(self) -> list[int]:
        """Of each layer."""
        return [2 ** (layer % self.dilation_cycle) for layer in range(self.num_layers)]

    @property
    def receptive_field(self) -> int:
        """Samples that one of the output depends on.

        Example:
            >>> DiffWaveConfig().receptive_field
            6139
        """
        return 1 + 2 * sum(self.dilations)


class DiffWave(nn.Module):
    """Predicts a signal of the shape of its input.

    Args:
        config: sizes.
        shape: one sample, (channels, length).
        spec: what it may be conditioned on.

    Raises:
        ClarionError: for samples that are no signals, or conditions that it cannot take.
    """

    def __init__(self, config: DiffWaveConfig, shape: tuple[int, ...], spec: ConditionSpec) -> None:
        super().__init__()
        if len(shape) != 2 or min(shape) < 1:
            raise ClarionError(
                f"A DiffWave takes signals, of shape (channels, length), got {tuple(shape)}."
            )
        fields, summed = split_fields(spec)
        self.embed_noise = NoiseEmbedding(WIDTH, NUM_FREQUENCIES)
        self.embed_condition = ConditionEmbedding(summed, WIDTH)
        self.frames = Frames(fields, config.upsampling) if fields else None
        c, told = config.channels, self.frames.num_channels if self.frames else 0
        self.enter = nn.Conv1d(shape[0], c, 1)
        self.layers = nn.ModuleList([Layer(c, dilation, told) for dilation in config.dilations])
        self.middle = nn.Conv1d(c, c, 1)
        self.leave = zeroed(nn.Conv1d(c, shape[0], 1))

    def forward(self, x: Tensor, noise_level: Tensor, condition: Condition | None) -> Tensor:
        """Predict.

        Args:
            x: (batch, channels, length), of about unit variance.
            noise_level: (batch,), log(sigma / alpha) / 4.
            condition: values for the batch; None where all is absent.
        """
        e = F.silu(self.embed_noise(noise_level) + self.embed_condition(condition))
        told = self.frames(x, condition) if self.frames else None
        h, total = F.relu(self.enter(x)), 0.0
        for layer in self.layers:
            h, skip = layer(h, e, told)
            total = total + skip
        h = F.relu(self.middle(total / math.sqrt(len(self.layers))))
        return self.leave(h)


class Layer(nn.Module):
    """One residual layer.

    Args:
        channels: that come in and go out.
        dilation: of its convolution.
        told: channels of the fields; 0 for none.
    """

    def __init__(self, channels: int, dilation: int, told: int) -> None:
        super().__init__()
        self.shift = nn.Linear(WIDTH, channels)
        self.look = nn.Conv1d(channels, 2 * channels, 3, padding=dilation, dilation=dilation)
        self.heed = nn.Conv1d(told, 2 * channels, 1) if told else None
        self.leave = nn.Conv1d(channels, 2 * channels, 1)

    def forward(self, x: Tensor, e: Tensor, told: Tensor | None) -> tuple[Tensor, Tensor]:
        """What goes on, and what is added up at the end; each (batch, channels, length)."""
        h = self.look(x + self.shift(e)[..., None])
        if self.heed is not None and told is not None:
            h = h + self.heed(told)
        value, gate = h.chunk(2, 1)
        residual, skip = self.leave(torch.tanh(value) * torch.sigmoid(gate)).chunk(2, 1)
        return (x + residual) / math.sqrt(2), skip


class Frames(nn.Module):
    """Fields over frames, brought to the resolution of the samples by transposed convolutions.

    Frame m stands for the samples round m hop, as those of a centred Fourier transform do.

    Args:
        spec: name -> entry, fields only.
        upsampling: steps; their product is the hop.
    """

    def __init__(self, spec: ConditionSpec, upsampling: tuple[int, ...]) -> None:
        super().__init__()
        self.add_fields = FieldInput(spec, 1)
        self.hop = math.prod(upsampling)
        self.grow = nn.ModuleList(
            [nn.ConvTranspose2d(1, 1, (3, 2 * s), (1, s), (1, s // 2)) for s in upsampling]
        )

    @property
    def num_channels(self) -> int:
        """Channels of all fields together."""
        return self.add_fields.num_channels

    def forward(self, x: Tensor, condition: Condition | None) -> Tensor:
        """Fields beside samples x (batch, _, length): (batch, num_channels, length)."""
        length = x.shape[-1]
        num_frames = -(-length // self.hop) + (self.hop > 1)
        told = self.add_fields(x.new_empty(len(x), 0, num_frames), condition)[:, None]
        for grow in self.grow:
            told = F.leaky_relu(grow(told), SLOPE)
        first = self.hop // 2  # frame 0 stands in the middle of its hop
        return told[:, 0, :, first : first + length]
