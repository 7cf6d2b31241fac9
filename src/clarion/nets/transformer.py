"""A transformer for tokens: from noisy tokens to one logit for each clean token at each position.

All positions attend to each other (or, if causal, to earlier ones), and to the tokens of sequences
that the model is conditioned on. The embedding e of noise level and condition scales, shifts and
gates every block:

    x <- x + gate(e) f(norm(x) (1 + scale(e)) + shift(e)),    f attention, then a perceptron

Gates and logits start at 0: a fresh network holds all tokens for equally likely.

Departure from Su et al.: rotation alone tells positions apart by what stands in them, so that a
sequence of masks only would be answered alike everywhere, though sequences begin and end in their
own ways. Each position therefore has a learned vector, too, as long as that of a token: a shorter
one is not heard beside it for hundreds of steps.

Sources: Vaswani et al. 2017, arXiv 1706.03762 (the transformer); Peebles & Xie 2023, arXiv
2212.09748, section 3.2 (adaLN-Zero); Su et al. 2021, arXiv 2104.09864, equation 34 (rotation);
Sahoo et al. 2024, arXiv 2406.07524, section 5 (both together for tokens).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.base.condition import Condition, ConditionSpec, FieldEntry
from clarion.base.errors import ClarionError
from clarion.nets.attention import append_context, attend
from clarion.nets.blocks import zeroed
from clarion.nets.config import NetworkConfig
from clarion.nets.context import SEQUENCES, Context, ContextEmbedding
from clarion.nets.embed import ConditionEmbedding, NoiseEmbedding, check_names

SLOWEST = 10000.0
"""The slowest rotation turns by about 1 / SLOWEST from one position to the next."""


@dataclass(frozen=True)
class TransformerConfig(NetworkConfig):
    """Sizes of a transformer for tokens.

    Args:
        width: features of each position.
        num_blocks: blocks, each of attention and a perceptron.
        head_width: features of one attention head, an even number that divides width.
        mlp_ratio: hidden features of a perceptron, relative to width.
        dropout: probability in [0, 1), of what each half of a block adds.
        is_causal: whether a position attends only to itself and earlier ones, as it must where the
            network predicts the next token.
        reads_noise_level: whether it is told how much is lost. Of masks it can see that for itself,
            and where it is not told, nothing that has not changed is asked about twice.
    """

    width: int = 128
    num_blocks: int = 4
    head_width: int = 32
    mlp_ratio: int = 4
    dropout: float = 0.0
    is_causal: bool = False
    reads_noise_level: bool = field(  # pyright: ignore[reportIncompatibleMethodOverride]
        default=True, metadata={"optional": True}
    )

    def __post_init__(self) -> None:
        for name in ("width", "num_blocks", "head_width", "mlp_ratio"):
            if getattr(self, name) < 1:
                raise ClarionError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.head_width % 2 or self.width % self.head_width:
            raise ClarionError(
                f"head_width must be an even number that divides the width {self.width}, got "
                f"{self.head_width}."
            )
        if not 0 <= self.dropout < 1:
            raise ClarionError(f"dropout must be in [0, 1), got {self.dropout}.")

    def build(self, shape: tuple[int, ...], spec: ConditionSpec) -> nn.Module:
        raise ClarionError(
            f"A transformer takes tokens, not samples of numbers of shape {tuple(shape)}. Use the "
            "network 'unet' (UNetConfig) or 'mlp' (MLPConfig)."
        )

    def build_for_tokens(
        self, length: int, num_states: int, vocabulary: int, spec: ConditionSpec
    ) -> nn.Module:
        return Transformer(self, length, num_states, vocabulary, spec)


class TokenReader(nn.Module):
    """All of a transformer but what is made of the features in the end.

    Args:
        config: sizes.
        length: positions of a sequence; shorter ones can be given, too.
        num_states: number of different values that a position of x_t can have.
        spec: what it may be conditioned on.
    """

    def __init__(
        self, config: TransformerConfig, length: int, num_states: int, spec: ConditionSpec
    ) -> None:
        super().__init__()
        if length < 1:
            raise ClarionError(f"length must be at least 1, got {length}.")
        check_names(spec)
        for name, entry in spec.items():
            if isinstance(entry, FieldEntry):
                raise ClarionError(
                    f"Condition {name!r} is a field, which a network of tokens cannot take: a "
                    "sequence has no sides. Make it a vector or a sequence."
                )
        width, self.config = config.width, config
        attended = {n: e for n, e in spec.items() if isinstance(e, SEQUENCES)}
        self.embed_noise = NoiseEmbedding(width)
        self.embed_condition = ConditionEmbedding(
            {n: e for n, e in spec.items() if n not in attended}, width
        )
        self.embed_context = ContextEmbedding(attended, width) if attended else None
        self.embed_tokens = nn.Embedding(num_states, width)
        self.places = nn.Parameter(torch.randn(length, width))
        self.blocks = nn.ModuleList(
            [Block(config, width if attended else 0) for _ in range(config.num_blocks)]
        )
        self.leave_modulate = zeroed(nn.Linear(width, 2 * width))

    def read(self, x_t: Tensor, noise_level: Tensor, condition: Condition | None) -> Tensor:
        """Features, (batch, length, width).

        Args:
            x_t: tokens, (batch, length) int64 in 0..num_states - 1, or vectors of so many weights,
                (batch, length, num_states), along which there is a gradient.
            noise_level: (batch,), 1 - alpha(t) in [0, 1].
            condition: values for the batch; None where all is absent.
        """
        batch, length = x_t.shape[:2]
        if not self.config.reads_noise_level:
            noise_level = torch.zeros_like(noise_level)
        e = F.silu(self.embed_noise(noise_level) + self.embed_condition(condition))
        context = self.embed_context(condition, batch) if self.embed_context else None
        is_vectors = x_t.is_floating_point()
        x = x_t @ self.embed_tokens.weight if is_vectors else self.embed_tokens(x_t)
        x = x + self.places[:length]
        turns = rotations(length, self.config.head_width, x)
        seen = None
        if self.config.is_causal:
            seen = torch.ones(length, length, dtype=torch.bool, device=x.device).tril()
        for block in self.blocks:
            x = block(x, e, turns, seen, context)
        shift, scale = self.leave_modulate(e)[:, None].chunk(2, -1)
        return modulated(x, shift, scale)


class Transformer(TokenReader):
    """Predicts logits of the clean token at each position.

    Args:
        config, length, num_states, spec: see `TokenReader`.
        vocabulary: number of different clean tokens.
    """

    def __init__(
        self,
        config: TransformerConfig,
        length: int,
        num_states: int,
        vocabulary: int,
        spec: ConditionSpec,
    ) -> None:
        if not 1 <= vocabulary <= num_states:
            raise ClarionError(
                f"vocabulary must lie in 1..{num_states}, the number of states, got {vocabulary}."
            )
        super().__init__(config, length, num_states, spec)
        self.leave = zeroed(nn.Linear(config.width, vocabulary))

    def forward(self, x_t: Tensor, noise_level: Tensor, condition: Condition | None) -> Tensor:
        """Logits, (batch, length, vocabulary); arguments as for `read`."""
        return self.leave(self.read(x_t, noise_level, condition))


class Block(nn.Module):
    """Attention, then a perceptron, each added to its input.

    Args:
        config: sizes.
        context_width: size of the tokens of a context; 0 without.
    """

    def __init__(self, config: TransformerConfig, context_width: int = 0) -> None:
        super().__init__()
        width, hidden = config.width, config.width * config.mlp_ratio
        self.modulate = zeroed(nn.Linear(width, 6 * width))
        self.attend = RotaryAttention(width, width // config.head_width, context_width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, e: Tensor, turns: Tensor, seen: Tensor | None, context: Context | None
    ) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulate(e)[:, None].chunk(6, -1)
        h = self.attend(modulated(x, shift1, scale1), turns, seen, context)
        x = torch.addcmul(x, gate1, self.dropout(h))
        h = self.mlp(modulated(x, shift2, scale2))
        return torch.addcmul(x, gate2, self.dropout(h))


class RotaryAttention(nn.Module):
    """Attention in which positions score each other by how far apart they are, not by their places.

    Tokens of a context all stand at place 0: their keys are not rotated.
    """

    def __init__(self, width: int, heads: int, context_width: int = 0) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.context_kv = nn.Linear(context_width, 2 * width) if context_width else None

    def forward(
        self,
        x: Tensor,
        turns: Tensor,
        seen: Tensor | None = None,
        context: Context | None = None,
    ) -> Tensor:
        """(batch, length, width) of the same shape.

        Args:
            x: features.
            turns: what `rotations` gives.
            seen: which positions each attends to, (length, length) bool; None for all.
            context: tokens to which all attend.
        """
        qk, v = (
            self.qkv(x).unflatten(-1, (3 * self.heads, -1)).split([2 * self.heads, self.heads], -2)
        )
        q, k = rotate(qk, turns).transpose(1, 2).chunk(2, 1)
        v = v.transpose(1, 2)  # each (batch, heads, length, width per head)
        if self.context_kv is not None and context is not None:
            k, v, is_there = append_context(k, v, self.context_kv(context[0]), context[1])
            more = context[1].shape[1]
            seen = is_there if seen is None else is_there & F.pad(seen, (0, more), value=True)
        return self.out(attend(q, k, v, seen).transpose(1, 2).flatten(2))


def rotations(length: int, head_width: int, like: Tensor) -> Tensor:
    """e^(i place frequency), (length, 1, head_width / 2), complex of the precision of `like`.

    frequency_j = SLOWEST^(-2 j / head_width).
    """
    exact = {"dtype": torch.float64, "device": like.device}
    frequencies = SLOWEST ** (-torch.arange(0, head_width, 2, **exact) / head_width)
    angles = torch.arange(length, **exact)[:, None, None] * frequencies
    turns = torch.polar(torch.ones_like(angles), angles)
    return turns if like.dtype == torch.float64 else turns.to(torch.complex64)


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Each two neighbouring features as a complex number, turned; (batch, length, heads, width)."""
    exact = x.to(turns.real.dtype).unflatten(-1, (-1, 2))
    return torch.view_as_real(torch.view_as_complex(exact) * turns).flatten(-2).to(x.dtype)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """norm(x) (1 + scale) + shift, normalised over the features of each position."""
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:]), 1 + scale)
