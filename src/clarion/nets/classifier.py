"""A classifier of noisy data: a U-Net's way down, pooled by attention to one logit a class.

The noise level enters as in the U-Net; the mean of all positions asks, all positions answer.

Source: Dhariwal & Nichol 2021, arXiv 2105.05233, section 4 (the downsampling trunk of the U-Net
with an attention pool). Departure: positions have no embedding of their own, as in the U-Net's
attention, so that nothing depends on the size of the picture.
"""

from __future__ import annotations

from torch import Tensor, nn

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.nets.attention import attend
from clarion.nets.blocks import num_heads, zeroed
from clarion.nets.unet import UNetConfig, WayDown


class ClassifierNetwork(WayDown):
    """Predicts one logit a class.

    Args:
        config: sizes; those of the way up have no meaning here.
        shape: one sample, (channels, length) or (channels, height, width); each side must be
            divisible by patch_size 2^(levels - 1).
        num_classes: number of logits.
    """

    def __init__(self, config: UNetConfig, shape: tuple[int, ...], num_classes: int) -> None:
        if num_classes < 2:
            raise ClarionError(f"A classifier needs at least 2 classes, got {num_classes}.")
        super().__init__(config, shape, {})
        channels = self.skip_channels[-1]
        self.pool = AttentionPool(channels, num_heads(channels, config.head_width))
        self.leave = zeroed(nn.Linear(channels, num_classes))
        self.to(memory_format=self.memory_format)  # pyright: ignore[reportCallIssue]

    def forward(self, x: Tensor, noise_level: Tensor, condition: Condition | None = None) -> Tensor:
        """Logits (batch, num_classes).

        Args:
            x: (batch, *shape), of about unit variance.
            noise_level: (batch,), log(sigma / alpha) / 4.
            condition: not looked at; networks are called with it.
        """
        return self.leave(self.pool(self.read(x, noise_level, None).x))


class AttentionPool(nn.Module):
    """(batch, channels, *sides) -> (batch, channels): m + W attend(m) for their mean m."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(channels, channels)
        self.leave_norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.norm(x.flatten(2).transpose(1, 2))  # (batch, positions, channels)
        mean = tokens.mean(1, keepdim=True)
        q = self.query(mean).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        kv = self.key_value(tokens).unflatten(-1, (2, self.heads, -1))
        k, v = kv.permute(2, 0, 3, 1, 4)  # each (batch, heads, positions, channels per head)
        pooled = attend(q, k, v).transpose(1, 2).flatten(2)
        return self.leave_norm((mean + self.out(pooled)).squeeze(1))
