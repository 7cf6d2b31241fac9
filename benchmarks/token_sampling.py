"""Sampling of masked tokens: Clarion's loop beside one written by hand round torch's own layers.

Both draw the same number of sequences in the same number of steps, 64, from networks of the same
width, depth, heads and hidden features, freshly initialised: each step asks the network about all
positions of all sequences, and shows each mask with the probability that its schedule says.

- plain: `nn.TransformerEncoder` as it comes, float32 probabilities and `torch.multinomial`; random
  numbers are those of the batch, so a sample depends on who else is in it.
- clarion, its loop alone: `sample(..., sampler="ancestral")` round the same network. A sample has
  random numbers of its own, of 53 digits; probabilities are float64; what is not finite is found.
- clarion: the same with `TransformerConfig`, which also takes the noise level.
- clarion, unchanged rows saved: the same where the network does not read the noise level, so that a
  sequence is asked about again only once one of its tokens has changed. The samples are the same.

Sequences are as long as those of TFBind8, a row of small letters, a molecule, and a protein. All
runs on one thread and is timed by what that takes of its core, so that others on the machine cost
neither side its turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from clarion.denoise.token_network import TokenNetworkDenoiser
from clarion.denoise.unchanged import UnchangedRows
from clarion.nets import TransformerConfig
from clarion.process.tokens import Masking
from clarion.sample import sample
from harness import Benchmark, interleave, ratio, show_ratio, summary
from transformer import VOCABULARY, Case, PlainTransformer

NUM_STEPS = 64
MASK = VOCABULARY
CASES = (
    Case(8, 64, 128, 32),
    Case(28, 32, 128, 32),
    Case(128, 8, 128, 32),
    Case(237, 2, 256, 64),
)


class Adapted(nn.Module):
    """The plain network, called as Clarion calls one."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_t: Tensor, noise_level: Tensor, condition: Any) -> Tensor:
        return self.network(x_t)


@torch.no_grad()
def by_hand(network: nn.Module, case: Case) -> Tensor:
    """Ancestral sampling of masks with the linear schedule, as one writes it."""
    x = torch.full((case.batch, case.length), MASK)
    for i in range(NUM_STEPS, 0, -1):
        t, s = i / NUM_STEPS, (i - 1) / NUM_STEPS
        p = network(x).softmax(-1)
        drawn = torch.multinomial(p.flatten(0, 1), 1).view_as(x)
        is_shown = torch.rand(x.shape) < (t - s) / t
        x = torch.where((x == MASK) & is_shown, drawn, x)
    return x


def contenders(case: Case) -> tuple[dict[str, Callable[[], float]], TokenNetworkDenoiser]:
    """Name -> one set of samples, which returns its seconds of the processor; and the denoiser that
    does not read the time, which has counted its evaluations."""
    torch.manual_seed(0)
    process, config = Masking(VOCABULARY), case.config
    plain = PlainTransformer(case).eval()

    def ours(config: TransformerConfig) -> TokenNetworkDenoiser:
        network = config.build_for_tokens(case.length, VOCABULARY + 1, VOCABULARY, {}).eval()
        for parameter in network.parameters():  # else nothing is multiplied by the last layer
            parameter.data += 0.02 * torch.randn_like(parameter)
        return TokenNetworkDenoiser(network, process, reads_time=config.reads_noise_level)

    timeless = ours(TransformerConfig(**asdict(config) | {"reads_noise_level": False}))
    denoisers = {
        "clarion_loop_alone": TokenNetworkDenoiser(Adapted(plain), process),
        "clarion": ours(config),
        "clarion_unchanged_saved": UnchangedRows(timeless),
    }

    def timed(draw: Callable[[], Tensor]) -> Callable[[], float]:
        def run() -> float:
            start = time.process_time()
            x = draw()
            assert x.shape == (case.batch, case.length), "whole sequences"
            assert int(x.max()) < MASK, "without masks"
            return time.process_time() - start

        return run

    def drawn(denoiser: Any) -> Callable[[], Tensor]:
        settings = {"n": case.batch, "sampler": "ancestral", "num_steps": NUM_STEPS}
        return lambda: sample(denoiser, (case.length,), **settings)

    runs = {"plain": timed(lambda: by_hand(plain, case))}
    return runs | {name: timed(drawn(denoiser)) for name, denoiser in denoisers.items()}, timeless


def measure(case: Case, rounds: int) -> dict[str, Any]:
    runs, timeless = contenders(case)
    seconds = interleave(runs, rounds)
    tokens = case.batch * case.length
    evaluations = timeless.num_evaluations / (rounds + 1) / case.batch
    return {
        **{f"{name}_tokens_per_s": summary([tokens / s for s in v]) for name, v in seconds.items()},
        **{
            f"{name}_relative_to_plain": ratio(seconds["plain"], v)
            for name, v in seconds.items()
            if name != "plain"
        },
        "evaluations_per_sample": {"plain": NUM_STEPS, "clarion_unchanged_saved": evaluations},
    }


def main() -> None:
    torch.set_num_threads(1)
    benchmark = Benchmark(__file__, __doc__ or "")
    rounds = 2 if benchmark.options.quick else 5
    results = {f"length {case.length}": measure(case, rounds) for case in CASES}
    relative = ("clarion_loop_alone", "clarion", "clarion_unchanged_saved")
    benchmark.table(
        f"Sampling in {NUM_STEPS} steps: tokens/s; relative to plain; medians of {rounds} rounds",
        ("", "plain", "clarion", "its loop alone", "clarion", "unchanged saved", "evaluations"),
        (
            (
                name,
                f"{row['plain_tokens_per_s']['median']:.0f}",
                f"{row['clarion_tokens_per_s']['median']:.0f}",
                *(show_ratio(row[f"{key}_relative_to_plain"]) for key in relative),
                f"{row['evaluations_per_sample']['clarion_unchanged_saved']:.1f}",
            )
            for name, row in results.items()
        ),
    )
    settings = {"vocabulary": VOCABULARY, "num_steps": NUM_STEPS, "rounds": rounds}
    benchmark.write(settings | {"cases": [asdict(case) for case in CASES]}, results)


if __name__ == "__main__":
    main()
