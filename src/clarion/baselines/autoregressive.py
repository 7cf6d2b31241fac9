"""A network that predicts the next token: what diffusion of tokens is held against.

    log p(x0) = sum over places i of log p(x0[i] | x0[0], ..., x0[i - 1])

It is the transformer of the diffusion model, weight for weight, but for what it sees: each position
attends to earlier ones alone, and is shown the token before its own. The first is shown the number
that stands for a mask in `Masking`. The noise level that it is told is 0 throughout.

Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.1 (the decoder).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.base.choices import draw_choices
from clarion.base.condition import Condition, ConditionEntry
from clarion.base.errors import ClarionError
from clarion.base.streams import SampleStreams
from clarion.denoise.asked import AskedNetwork
from clarion.nets.transformer import TransformerConfig
from clarion.process.tokens import TokenProcess
from clarion.run.config import ModelConfig
from clarion.train.loss import hide_at_random
from clarion.train.objective import Objective
from clarion.train.validate import Figures


@dataclass(frozen=True)
class AutoregressiveConfig:
    """All that is needed, beside weights and vocabulary, to make the model.

    Args:
        length: tokens of a sequence.
        vocabulary: number of different tokens.
        condition: what the model may be conditioned on.
        network: sizes of the network, which must be causal.
    """

    length: int
    vocabulary: int
    condition: Mapping[str, ConditionEntry]
    network: TransformerConfig

    def __post_init__(self) -> None:
        if not self.network.is_causal:
            raise ClarionError(
                "network of an autoregressive model must be causal: set is_causal, or each "
                "position would see the token that it shall predict."
            )

    @classmethod
    def like(cls, model: ModelConfig) -> AutoregressiveConfig:
        """Of the size, the vocabulary and the conditions of a diffusion model.

        Raises:
            ClarionError: if that model is not of tokens, or its network is no transformer.
        """
        process, network = model.process, model.network
        if not isinstance(process, TokenProcess) or not isinstance(network, TransformerConfig):
            raise ClarionError(
                f"An autoregressive model is like one of tokens with a transformer, not like one "
                f"of {process} with {network}."
            )
        causal = replace(network, is_causal=True)
        return cls(model.shape[0], process.vocabulary, model.condition, causal)

    def build(self) -> Autoregressive:
        """The model, its network freshly initialised from torch's random state."""
        states = self.vocabulary + 1
        network = self.network.build_for_tokens(
            self.length, states, self.vocabulary, self.condition
        )
        return Autoregressive(network, self.length, self.vocabulary)


class Autoregressive(AskedNetwork):
    """p(x0[i] | x0[0], ..., x0[i - 1]) = softmax(net(beginning, x0[0], ..., x0[i - 1])) at i.

    Args:
        network: causal; called with (tokens, noise_level, condition), gives logits (batch, length,
            vocabulary).
        length: tokens of a sequence.
        vocabulary: number of different tokens; as a token it stands for the beginning.
        autocast_dtype: type in which the network computes (None: that of its weights).
    """

    def __init__(
        self,
        network: nn.Module,
        length: int,
        vocabulary: int,
        autocast_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.network, self.autocast_dtype = network, autocast_dtype
        self.length, self.vocabulary = length, vocabulary

    def forward(self, before: Tensor, condition: Condition | None = None) -> Tensor:
        """Logits of each token and of the one that follows, (batch, k + 1, vocabulary).

        Args:
            before: the first k tokens, (batch, k), k below the length.
            condition: what is known of each sequence.
        """
        dtype = self.weight_dtype(torch.float32)
        shown = F.pad(before, (1, 0), value=self.vocabulary)
        noise_level = torch.zeros(len(before), dtype=dtype, device=before.device)
        with self.autocast(before.device):
            logits = self.network(shown, noise_level, condition)
        return logits.to(dtype)

    def surprise(self, x0: Tensor, condition: Condition | None = None) -> Tensor:
        """-log p of each token given those before it, in nats, (batch, length).

        Args:
            x0: whole sequences, (batch, length).
            condition: what is known of each.
        """
        logits = self(x0[:, :-1], condition)
        return F.cross_entropy(logits.transpose(1, 2), x0, reduction="none")

    @torch.no_grad()
    def sample(
        self,
        indices: Iterable[int],
        *,
        seed: int = 0,
        condition: Condition | None = None,
        beginning: Tensor | None = None,
    ) -> Tensor:
        """Draw sequences token by token, (n, length) int64.

        Sample number i of a seed does not depend on the others that are drawn.

        Args:
            indices: numbers of the samples.
            seed: of the whole set.
            condition: what is asked for, a row for each.
            beginning: tokens with which all of them begin, (k,); None for none.
        """
        streams = SampleStreams(seed, indices)
        start = torch.empty(0, dtype=torch.int64) if beginning is None else beginning
        if start.ndim != 1 or len(start) > self.length:
            raise ClarionError(
                f"beginning must be a row of at most {self.length} tokens, got shape "
                f"{tuple(start.shape)}."
            )
        device = next(self.network.parameters()).device
        uniform = streams.fine_uniform((self.length,), device=device)
        x = start.to(device).expand(len(streams), -1)
        for place in range(len(start), self.length):
            probabilities = self(x, condition)[:, -1].double().softmax(-1)
            x = torch.cat([x, draw_choices(probabilities, uniform[:, place])[:, None]], 1)
        return x


class NextTokenObjective(Objective[Autoregressive]):
    """An autoregressive model by the mean of -log p of a token, in nats.

    That is the very likelihood which the loss of a diffusion model bounds, in the same units.

    Args:
        config: the model.
    """

    def __init__(self, config: AutoregressiveConfig) -> None:
        self.config = config

    def build(self) -> Autoregressive:
        return self.config.build()

    def batch_loss(self, model: Autoregressive, x0: Tensor, condition: Condition) -> Tensor:
        return model.surprise(x0, hide_at_random(condition, self.config.condition)).mean()

    @torch.no_grad()
    def validate(
        self, model: Autoregressive, x0: Tensor, condition: Condition, batch_size: int
    ) -> Figures:
        total = 0.0
        for start in range(0, len(x0), batch_size):
            rows = slice(start, start + batch_size)
            total += float(model.surprise(x0[rows], condition.rows(rows)).double().sum())
        return {"validation": {"mean": total / x0.numel()}}
