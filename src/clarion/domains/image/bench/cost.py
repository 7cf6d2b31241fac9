"""What a training step costs, and how many steps are equal compute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch

from clarion.denoise.asked import AUTOCAST
from clarion.domains.prepare import prepare
from clarion.run.config import TrainingConfig
from clarion.run.examples import ExampleSet
from clarion.train.flops import count_flops
from clarion.train.precision import faster_precision

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Cost:
    """Of one training step.

    Args:
        weights: of all networks that are trained.
        flops: floating-point operations, forward and backward.
        seconds: it takes on this machine.
        precision: in which it is the faster, or that was asked for.
    """

    weights: int
    flops: int
    seconds: float
    precision: Precision


def measure_cost(config: TrainingConfig, examples: ExampleSet, device: torch.device) -> Cost:
    """What one step of a training costs here."""
    made = prepare(config, examples, None)
    torch.manual_seed(0)
    model = made.objective.build().to(device).train()
    size = min(config.batch_size, len(examples))
    data, condition = examples.batch(torch.arange(size))
    x0, known = made.codec.encode(data.to(device)), condition.to(device)

    def step(dtype: torch.dtype | None) -> None:
        model.autocast_dtype = dtype
        made.objective.batch_loss(model, x0, known).backward()
        model.zero_grad(set_to_none=True)

    flops = count_flops(lambda: step(None))
    asked = None if config.precision == "auto" else AUTOCAST[config.precision]
    chosen, seconds = faster_precision(
        step if config.precision == "auto" else lambda _: step(asked), device
    )
    precision = chosen if config.precision == "auto" else config.precision
    assert precision in ("float32", "bfloat16"), "there are two"
    weights = sum(p.numel() for p in model.parameters())
    return Cost(weights, flops, seconds[precision], precision)


def equal_steps(costs: Mapping[str, Cost], budget_s: float) -> dict[str, int]:
    """Steps of each training such that all have as many operations, and take the budget together.

    Args:
        costs: name -> what a step costs.
        budget_s: seconds for all trainings together.

    Example:
        >>> equal_steps({"a": Cost(1, 10, 1.0, "float32"), "b": Cost(1, 20, 1.0, "float32")}, 30)
        {'a': 20, 'b': 10}
    """
    flops = budget_s / sum(cost.seconds / cost.flops for cost in costs.values())
    return {name: max(1, round(flops / cost.flops)) for name, cost in costs.items()}


def of_length(config: TrainingConfig, num_steps: int, precision: Precision) -> TrainingConfig:
    """The same training in so many steps, saved, reported and validated on the way."""
    optimizer = config.optimizer
    return replace(
        config,
        optimizer=replace(optimizer, warmup_steps=min(optimizer.warmup_steps, num_steps // 10)),
        num_steps=num_steps,
        precision=precision,
        report_every=max(1, min(config.report_every, num_steps // 20)),
        validate_every=max(1, num_steps // 4),
        checkpoint_every=max(1, num_steps // 10),
        keep_checkpoints=1,
    )
