"""Equal compute, by arithmetic."""

from __future__ import annotations

import pytest

from clarion.base.errors import ClarionError
from clarion.domains.image.bench.bench import BenchConfig
from clarion.domains.image.bench.cost import Cost, equal_steps, of_length
from clarion.domains.image.bench.entrants import entrants
from clarion.domains.image.recipes import fashion


def test_all_have_as_many_operations_and_take_the_budget_together() -> None:
    costs = {
        "a": Cost(1, 60, 0.7, "float32"),
        "b": Cost(1, 130, 1.9, "bfloat16"),
        "c": Cost(1, 50, 0.6, "float32"),
    }
    steps = equal_steps(costs, 36_000)
    flops = [costs[name].flops * n for name, n in steps.items()]
    assert max(flops) / min(flops) == pytest.approx(1, abs=1e-2)
    assert sum(costs[name].seconds * n for name, n in steps.items()) == pytest.approx(36_000, 1e-2)
    assert equal_steps(costs, 1e-9) == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize("num_steps", [1, 7, 5000])
def test_a_training_of_any_length_is_saved_and_reported_on_the_way(num_steps: int) -> None:
    config = of_length(fashion(), num_steps, "float32")
    assert (config.num_steps, config.precision) == (num_steps, "float32")
    for every in (config.report_every, config.validate_every, config.checkpoint_every):
        assert 1 <= every <= num_steps
    assert config.optimizer.warmup_steps <= num_steps / 10


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2h", 7200), ("1.5m", 90), (".5h", 1800)]
)
def test_a_budget_is_a_time(text: str, seconds: float) -> None:
    assert BenchConfig(budget=text).budget_s == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2 h", "1e3s", "-2h", "0s", "2d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ClarionError, match="budget must be"):
        BenchConfig(budget=text)


@pytest.mark.parametrize("name", ["n", "tune_n", "reference_n", "sample_batch"])
def test_too_few_samples_are_refused(name: str) -> None:
    with pytest.raises(ClarionError, match=f"{name} must be a whole number, at least"):
        BenchConfig(**{name: 0})


def test_all_entrants_share_data_batch_and_length() -> None:
    training = fashion()
    for entrant in entrants(training):
        for name in ("data", "validation", "batch_size", "num_steps", "ema_widths", "seed"):
            assert getattr(entrant.training, name) == getattr(training, name), entrant.name
    names = [entrant.name for entrant in entrants(training)]
    assert names == ["clarion", "ddpm", "ncsn", "gan", "vae"]
