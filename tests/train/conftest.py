"""A training small enough to be run over and over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from clarion.base.condition import ClassEntry, Condition, encode_condition
from clarion.base.normalizer import Normalizer
from clarion.nets import UNetConfig
from clarion.run.config import LossConfig, OptimizerConfig, TrainConfig
from clarion.run.examples import DataConfig
from clarion.train.loop import Trainer
from clarion.train.objective import DenoisingObjective


@dataclass(frozen=True)
class Blobs:
    """Pictures of one grey level a class, with a little noise; made by number, not stored."""

    count: int = 64
    shape: tuple[int, ...] = (1, 8, 8)
    condition_spec: dict[str, ClassEntry] = field(
        default_factory=lambda: {"label": ClassEntry(2, ("dark", "light"))}
    )

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        labels = indices % 2
        noise = torch.sin(indices.float()[:, None] * torch.arange(1.0, 65.0)).reshape(-1, 1, 8, 8)
        data = labels[:, None, None, None] * 2.0 - 1 + 0.1 * noise
        given = {"label": labels} if self.condition_spec else {}
        return data, encode_condition(self.condition_spec, given, len(indices))

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        return self.batch(indices)

    def to(self, device: torch.device | str) -> Blobs:
        return self


@dataclass(frozen=True)
class BlobData(DataConfig):
    domain = "image"

    def open(self, on_progress: Any = None) -> Blobs:
        return Blobs()

    def fit_codec(self, examples: Any) -> Normalizer:
        return Normalizer((0.0,), (1.0,))

    def describe(self, examples: Any) -> Any:
        raise NotImplementedError


TINY = TrainConfig(
    data=BlobData("blobs"),
    validation_examples=6,
    network=UNetConfig(
        base_channels=8,
        channel_multipliers=(1, 2),
        blocks_per_level=1,
        attention_levels=(1,),
        head_width=8,
        patch_size=2,
        dropout=0.1,
    ),
    loss=LossConfig(),
    optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=2),
    batch_size=8,
    num_steps=7,
    precision="float32",
    report_every=100,
    validate_every=0,
    checkpoint_every=100,
)


@pytest.fixture
def blobs() -> type[Blobs]:
    return Blobs


@pytest.fixture
def blob_data() -> type[BlobData]:
    return BlobData


@pytest.fixture
def make_trainer(tmp_path: Path) -> Callable[..., Trainer]:
    """make_trainer(name, examples=..., validation=..., **settings of the training)."""

    def make(name: str, examples: Any = None, validation: Any = None, **settings: Any) -> Trainer:
        config, run = replace(TINY, **settings), tmp_path / name
        run.mkdir(exist_ok=True)
        examples = Blobs() if examples is None else examples
        return Trainer(
            config,
            DenoisingObjective(
                config.of_examples(examples, config.data.fit_codec(examples)), config.loss
            ),
            examples,
            validation,
            config.data.fit_codec(examples),
            run,
            torch.device("cpu"),
        )

    return make


def silent(report: dict[str, Any]) -> None:
    pass


def whole_state(trainer: Trainer) -> dict[str, Tensor]:
    """Weights, averages and moments of the optimiser."""
    moments = {
        f"optimizer/{number}/{name}": value
        for number, values in trainer.optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
    return trainer.network.state_dict() | trainer.ema.tensors() | moments


def assert_same(a: Trainer, b: Trainer) -> None:
    """Bit for bit."""
    left, right = whole_state(a), whole_state(b)
    assert left.keys() == right.keys()
    different = [name for name in left if not torch.equal(left[name], right[name])]
    assert not different


@pytest.fixture
def same() -> Callable[[Trainer, Trainer], None]:
    return assert_same
