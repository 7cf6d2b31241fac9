"""Training steps a second of the same network: Clarion's trainer beside a plain PyTorch loop.

Both train the network of the recipe `fashion` on random uint8 pictures in memory, 1x28x28, batch
64, with the loss of Karras et al. 2022, gradients clipped at length 1 and labels dropped one time
in ten.

- Clarion: `Trainer.train`, all of it: its own order of the data, randomness that follows from the
  step's number, AdamW in torch's fused form, and two averages of the weights.
- plain: what one writes by hand. torch.optim.AdamW as torch builds it, and one average of the
  weights, updated parameter by parameter in a Python loop (`mul_`, `add_`).

Each pair is given in float32 and under autocast to bfloat16, and Clarion's steps in between are
timed by its reports: the plain loop runs while Clarion's waits in one. Then the pieces by
themselves: the optimiser in torch's three forms, and the averages.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from clarion.base.condition import ClassEntry, Condition, ConditionSpec
from clarion.base.normalizer import Normalizer
from clarion.nets import UNetConfig
from clarion.run.config import OptimizerConfig, TrainConfig
from clarion.run.examples import DataConfig, DataDescription, OnProgress
from clarion.train.ema import EMA
from clarion.train.loop import Trainer
from clarion.train.objective import DenoisingObjective
from clarion.train.optimizer import build_optimizer
from harness import Benchmark, interleave, ratio, show_ratio, summary, timed

SHAPE, NUM_CLASSES, BATCH = (1, 28, 28), 10, 64
MEAN, STD = 0.5, 0.29  # of uniformly random bytes, in units of 255
NETWORK = UNetConfig(
    base_channels=48,
    channel_multipliers=(1, 2),
    attention_levels=(1,),
    head_width=32,
    patch_size=2,
)


class RandomPictures:
    """Noise in place of pictures: the arithmetic of a step does not depend on what they show."""

    shape = SHAPE

    def __init__(self, n: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.pictures = torch.randint(256, (n, *SHAPE), dtype=torch.uint8, generator=generator)
        self.labels = torch.randint(NUM_CLASSES, (n,), generator=generator)

    @property
    def condition_spec(self) -> ConditionSpec:
        return {"label": ClassEntry(NUM_CLASSES)}

    def __len__(self) -> int:
        return len(self.pictures)

    def batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        present = torch.ones(len(indices), dtype=torch.bool)
        condition = Condition({"label": self.labels[indices]}, {"label": present})
        return self.pictures[indices], condition

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        return self.batch(indices)

    def to(self, device: Any) -> Self:
        return self


@dataclass(frozen=True)
class RandomData(DataConfig):
    """Where they come from."""

    def open(self, on_progress: OnProgress | None = None) -> RandomPictures:
        return RandomPictures(4096)

    def fit_codec(self, examples: Any) -> Normalizer:
        return Normalizer((MEAN,), (STD,))

    def describe(self, examples: Any) -> DataDescription:
        raise NotImplementedError("There is nothing to say of noise.")


class PlainLoop:
    """The loop that a user would write without Clarion, on the same network."""

    def __init__(self, network: nn.Module, data: RandomPictures, autocast: bool) -> None:
        self.network, self.data, self.autocast = network.train(), data, autocast
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, betas=(0.9, 0.99))
        self.average = [p.detach().clone() for p in network.parameters()]

    def step(self) -> None:
        chosen = torch.randint(len(self.data), (BATCH,))
        x0 = (self.data.pictures[chosen].float() / 255 - MEAN) / STD
        condition = Condition(
            {"label": self.data.labels[chosen]}, {"label": torch.rand(BATCH) >= 0.1}
        )
        sigma = torch.exp(torch.randn(BATCH, 1, 1, 1) * 1.2 - 0.5)
        y = x0 + sigma * torch.randn_like(x0)
        total = sigma**2 + 1
        with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
            answer = self.network(y * total.rsqrt(), sigma.flatten().log() / 4, condition)
        denoised = y / total + sigma * total.rsqrt() * answer.float()
        loss = (total / sigma**2 * (denoised - x0) ** 2).mean()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        update_average(self.average, self.network)


@torch.no_grad()
def update_average(average: list[Tensor], network: nn.Module) -> None:
    """Parameter by parameter, as it is usually written."""
    for mean, parameter in zip(average, network.parameters(), strict=True):
        mean.mul_(0.999).add_(parameter, alpha=0.001)


def steps_in_turn(precision: str, rounds: int, steps: int) -> dict[str, list[float]]:
    """Seconds a step of either loop, alternately `steps` of one and of the other."""
    config = TrainConfig(
        data=RandomData(),
        network=NETWORK,
        optimizer=OptimizerConfig(learning_rate=1e-4),
        batch_size=BATCH,
        num_steps=(rounds + 1) * steps,
        precision=precision,  # pyright: ignore[reportArgumentType]
        report_every=steps,
        validate_every=0,
        checkpoint_every=1_000_000,
    )
    data = config.data.open()
    model = config.of_examples(data, config.data.fit_codec(data))
    plain = PlainLoop(
        model.build().network, RandomPictures(len(data)), autocast=precision == "bfloat16"
    )
    seconds: dict[str, list[float]] = {"clarion": [], "plain": []}
    with tempfile.TemporaryDirectory() as folder:
        normalizer = config.data.fit_codec(data)
        device = torch.device("cpu")
        objective = DenoisingObjective(model, config.loss)
        trainer = Trainer(config, objective, data, None, normalizer, Path(folder), device)
        start = time.perf_counter()

        def on_report(_: dict[str, Any]) -> None:
            nonlocal start
            middle = time.perf_counter()
            for _ in range(steps):
                plain.step()
            end = time.perf_counter()
            seconds["clarion"].append((middle - start) / steps)
            seconds["plain"].append((end - middle) / steps)
            start = time.perf_counter()

        trainer.train(on_report)
    return {name: values[1:] for name, values in seconds.items()}  # the first round warms up


def chosen_precision() -> dict[str, Any]:
    """What the trainer decides by itself, and the seconds of a pass that it measured."""
    config = replace(
        TrainConfig(data=RandomData(), network=NETWORK, batch_size=BATCH),
        num_steps=1,
        validate_every=0,
    )
    data = config.data.open()
    reports: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            config,
            DenoisingObjective(config.of_examples(data, config.data.fit_codec(data)), config.loss),
            data,
            None,
            config.data.fit_codec(data),
            Path(folder),
            torch.device("cpu"),
        ).train(reports.append)
    return {key: reports[0][key] for key in ("precision", "seconds_per_pass")}


def pieces(rounds: int) -> dict[str, list[float]]:
    """Seconds of the optimiser and of the averages alone, on the same gradients."""
    network = NETWORK.build(SHAPE, RandomPictures(1).condition_spec)
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter) * 1e-3
    forms: dict[str, Any] = {"default": {}, "foreach": {"foreach": True}, "fused": {"fused": True}}
    runs: dict[str, Callable[[], Any]] = {
        f"AdamW, {name}": torch.optim.AdamW(network.parameters(), lr=1e-6, **form).step
        for name, form in forms.items()
    }
    runs["AdamW, clarion"] = build_optimizer(OptimizerConfig(learning_rate=1e-6), network).step
    average = [p.detach().clone() for p in network.parameters()]
    runs["one average, plain"] = lambda: update_average(average, network)
    for number, widths in (("one average", (0.05,)), ("two averages", (0.05, 0.1))):
        ema = EMA(network, widths)
        runs[f"{number}, clarion"] = lambda ema=ema: ema.update(1000)
    return interleave({name: timed(run) for name, run in runs.items()}, rounds, warm_up=3)


def main() -> None:
    benchmark = Benchmark(__file__, __doc__ or "")
    quick = benchmark.options.quick
    rounds, steps = (3, 1) if quick else (8, 3)
    results: dict[str, Any] = {"chosen_by_clarion": chosen_precision()}
    seconds = {kind: steps_in_turn(kind, rounds, steps) for kind in ("float32", "bfloat16")}
    results["steps"] = {
        kind: {
            **{f"{name}_steps_per_s": summary([1 / s for s in v]) for name, v in pair.items()},
            "speed_relative_to_plain": ratio(pair["plain"], pair["clarion"]),
        }
        for kind, pair in seconds.items()
    }
    benchmark.table(
        f"Training, batch {BATCH}: steps/s, medians of {rounds} rounds of {steps}",
        ("", "clarion", "plain", "clarion relative to plain"),
        (
            (
                kind,
                f"{row['clarion_steps_per_s']['median']:.2f}",
                f"{row['plain_steps_per_s']['median']:.2f}",
                show_ratio(row["speed_relative_to_plain"]),
            )
            for kind, row in results["steps"].items()
        ),
    )
    chosen = results["chosen_by_clarion"]
    benchmark.console.print(f"precision that clarion chooses here: {chosen['precision']}")
    parts = pieces(10 if quick else 50)
    results["pieces_ms"] = {name: summary([1e3 * s for s in v]) for name, v in parts.items()}
    benchmark.table(
        "Pieces of a step: milliseconds, medians",
        ("", "ms", "min"),
        (
            (name, f"{row['median']:.2f}", f"{row['min']:.2f}")
            for name, row in results["pieces_ms"].items()
        ),
    )
    benchmark.write(
        {
            "shape": SHAPE,
            "batch_size": BATCH,
            "steps_a_round": steps,
            "rounds": rounds,
            "num_parameters": sum(
                p.numel()
                for p in NETWORK.build(SHAPE, RandomPictures(1).condition_spec).parameters()
            ),
        },
        results,
    )


if __name__ == "__main__":
    main()
