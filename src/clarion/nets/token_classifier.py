"""A classifier of noisy tokens: a transformer's blocks, and the mean of all positions.

The noise level enters as in the transformer. Logits start at 0: a fresh network holds all classes
for equally likely.

Source: Dhariwal & Nichol 2021, arXiv 2105.05233, section 4 (the half of a denoiser that reads).
"""

from __future__ import annotations

from torch import Tensor, nn

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.nets.blocks import zeroed
from clarion.nets.transformer import TokenReader, TransformerConfig


class TokenClassifierNetwork(TokenReader):
    """Predicts one logit a class.

    Args:
        config: sizes.
        length: positions of a sequence.
        num_states: number of different values that a position of x_t can have.
        num_classes: number of logits.
    """

    def __init__(
        self, config: TransformerConfig, length: int, num_states: int, num_classes: int
    ) -> None:
        if num_classes < 2:
            raise ClarionError(f"A classifier needs at least 2 classes, got {num_classes}.")
        super().__init__(config, length, num_states, {})
        self.leave = zeroed(nn.Linear(config.width, num_classes))

    def forward(
        self, x_t: Tensor, noise_level: Tensor, condition: Condition | None = None
    ) -> Tensor:
        """Logits (batch, num_classes).

        Args:
            x_t: tokens, (batch, length), or vectors, (batch, length, num_states).
            noise_level: (batch,), 1 - alpha(t) in [0, 1].
            condition: not looked at; networks are called with it.
        """
        return self.leave(self.read(x_t, noise_level, None).mean(1))
