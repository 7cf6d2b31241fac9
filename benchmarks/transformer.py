"""Training steps on tokens: Clarion's transformer beside a plain torch.nn.TransformerEncoder.

Both have the same width, depth, heads, hidden features and activation, an embedding of each token
and of each place, and one logit for each of 27 tokens at every position; both take the same steps:
forward, cross-entropy over all positions, backward, fused AdamW. Half of the tokens are masks.

- Clarion: `TransformerConfig.build_for_tokens`. It also takes the noise level, which scales, shifts
  and gates every block (half as many weights again), and rotates queries and keys.
- plain: `nn.TransformerEncoder` of `nn.TransformerEncoderLayer(norm_first=True)`, as it comes.

Sequences are as long as a row of small letters, a molecule, and a protein; each pair is given in
float32 and under autocast to bfloat16. All runs on one thread and is timed by what that takes of
its core, so that others on the machine cost neither side its turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.nets import TransformerConfig
from harness import Benchmark, interleave, ratio, show_ratio, summary

VOCABULARY = 27
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Case:
    """Sizes of a batch and of both networks."""

    length: int
    batch: int
    width: int
    head_width: int
    num_blocks: int = 4

    @property
    def config(self) -> TransformerConfig:
        return TransformerConfig(
            width=self.width, num_blocks=self.num_blocks, head_width=self.head_width
        )


CASES = (Case(28, 64, 128, 32), Case(128, 32, 128, 32), Case(237, 8, 256, 64))


class PlainTransformer(nn.Module):
    """What one writes with torch's own layers."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        width = case.width
        self.embed = nn.Embedding(VOCABULARY + 1, width)
        self.places = nn.Parameter(torch.randn(case.length, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width,
            nhead=width // case.head_width,
            dim_feedforward=width * case.config.mlp_ratio,
            dropout=0.0,
            activation=F.silu,
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(
            layer, case.num_blocks, nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.leave = nn.Linear(width, VOCABULARY)

    def forward(self, x_t: Tensor) -> Tensor:
        return self.leave(self.encoder(self.embed(x_t) + self.places))


def contenders(case: Case, precision: str) -> dict[str, Callable[[], float]]:
    """Name -> one step, which returns its seconds of the processor."""
    torch.manual_seed(0)
    x0 = torch.randint(VOCABULARY, (case.batch, case.length))
    x_t = torch.where(torch.rand(x0.shape) < 0.5, x0, VOCABULARY)
    noise_level = torch.full((case.batch,), 0.5)
    ours = case.config.build_for_tokens(case.length, VOCABULARY + 1, VOCABULARY, {})
    plain = PlainTransformer(case)

    def step(network: nn.Module, *given: Any) -> Callable[[], float]:
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)

        def run() -> float:
            start = time.process_time()
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                logits = network(*given)
            loss = F.cross_entropy(logits.float().flatten(0, 1), x0.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return time.process_time() - start

        return run

    return {"clarion": step(ours.train(), x_t, noise_level, None), "plain": step(plain, x_t)}


def measure(case: Case, precision: str, rounds: int) -> dict[str, Any]:
    seconds = interleave(contenders(case, precision), rounds, warm_up=2)
    tokens = case.batch * case.length
    return {
        **{f"{name}_tokens_per_s": summary([tokens / s for s in v]) for name, v in seconds.items()},
        "speed_relative_to_plain": ratio(seconds["plain"], seconds["clarion"]),
    }


def main() -> None:
    torch.set_num_threads(1)
    benchmark = Benchmark(__file__, __doc__ or "")
    rounds = 3 if benchmark.options.quick else 15
    results = {
        f"length {case.length}, {precision}": measure(case, precision, rounds)
        for case in CASES
        for precision in PRECISIONS
    }
    benchmark.table(
        f"Training steps: thousand tokens/s, medians of {rounds} rounds",
        ("", "clarion", "plain", "clarion relative to plain"),
        (
            (
                name,
                f"{row['clarion_tokens_per_s']['median'] / 1e3:.1f}",
                f"{row['plain_tokens_per_s']['median'] / 1e3:.1f}",
                show_ratio(row["speed_relative_to_plain"]),
            )
            for name, row in results.items()
        ),
    )
    settings = {"vocabulary": VOCABULARY, "rounds": rounds, "cases": [asdict(c) for c in CASES]}
    benchmark.write(settings, results)


if __name__ == "__main__":
    main()
