"""A classifier trained on a labelled mixture, against the exact posterior of its classes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from clarion.base.condition import ClassEntry, Condition, VectorEntry
from clarion.base.errors import ClarionError, DataError
from clarion.base.normalizer import Normalizer
from clarion.base.streams import SampleStreams
from clarion.denoise.classifier import NoisyClassifier
from clarion.denoise.exact import MixtureClassifier, MixtureDenoiser
from clarion.denoise.network_classifier import NetworkClassifier
from clarion.nets import MLPConfig, UNetConfig
from clarion.process import EDM, Flow, VPCosine
from clarion.run.classifier_config import ClassifierConfig, ClassifierTrainConfig
from clarion.run.config import LevelsConfig, ModelConfig, OptimizerConfig
from clarion.run.examples import DataConfig
from clarion.train.checkpoint import latest_checkpoint
from clarion.train.classify import ClassifierObjective, check_examples
from clarion.train.loop import Trainer

DOUBLE = torch.float64
MIXTURE = {
    "means": [[-1.0, 0.4], [1.2, 0.0], [0.2, -1.1]],
    "covariances": [[[0.3, 0.1], [0.1, 0.2]], [[0.1, 0.0], [0.0, 0.5]], [[0.2, -0.1], [-0.1, 0.2]]],
    "weights": [0.5, 0.2, 0.3],
    "labels": [0, 1, 2],
}


@dataclass(frozen=True)
class Mixture:
    """Labelled points of the mixture, drawn once, as signals of two channels and length 1."""

    count: int = 400
    shape: tuple[int, ...] = (2, 1)
    hidden_from: int = 10**9
    """Labels are absent from this example on."""

    def __post_init__(self) -> None:
        exact, generator = exact_denoiser(EDM()), torch.Generator().manual_seed(0)
        labels = exact.sample_labels(self.count, generator)
        present = {"label": torch.ones(self.count, dtype=torch.bool)}
        x0 = exact.sample(self.count, generator, Condition({"label": labels}, present))
        object.__setattr__(self, "drawn", (x0.float()[:, :, None], labels))

    @property
    def condition_spec(self) -> dict[str, ClassEntry]:
        return {"label": ClassEntry(3)}

    def __len__(self) -> int:
        return self.count

    def batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        x0, labels = self.drawn
        present = indices < self.hidden_from
        return x0[indices], Condition({"label": labels[indices]}, {"label": present})

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        return self.batch(indices)

    def to(self, device: Any) -> Mixture:
        return self


def exact_denoiser(process: Any) -> MixtureDenoiser:
    return MixtureDenoiser(process, **MIXTURE)


@dataclass(frozen=True)
class MixtureData(DataConfig):
    domain = "image"

    def open(self, on_progress: Any = None) -> Mixture:
        return Mixture()

    def fit_codec(self, examples: Any) -> Normalizer:
        return UNITS

    def describe(self, examples: Any) -> Any:
        raise NotImplementedError


UNITS = Normalizer((0.0, 0.0), (1.0, 1.0))
SMALL = UNetConfig(
    base_channels=16,
    channel_multipliers=(1,),
    blocks_per_level=1,
    attention_levels=(),
    head_width=16,
    dropout=0.1,
)
SETTINGS = ClassifierTrainConfig(
    data=MixtureData("mixture"),
    validation_examples=40,
    network=SMALL,
    optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=2),
    batch_size=8,
    num_steps=7,
    precision="float32",
    report_every=100,
    validate_every=0,
    checkpoint_every=100,
)


@pytest.fixture
def make_trainer(tmp_path: Path) -> Callable[..., Trainer]:
    """make_trainer(name, examples=..., process=..., **settings of the training)."""

    def make(name: str, examples: Any = None, process: Any = None, **settings: Any) -> Trainer:
        config, run = replace(SETTINGS, **settings), tmp_path / name
        run.mkdir(exist_ok=True)
        examples = examples or Mixture()
        classifier = ClassifierConfig(
            (2, 1), "label", ClassEntry(3), config.network, process or EDM()
        )
        objective = ClassifierObjective(classifier, UNITS, config.noise)
        return Trainer(config, objective, examples, None, UNITS, run, torch.device("cpu"))

    return make


def silent(report: dict[str, Any]) -> None:
    pass


class Whole(NoisyClassifier):
    """The exact classifier, of samples shaped as those of the network."""

    def __init__(self, process: Any) -> None:
        super().__init__(process, 3)
        self.exact = MixtureClassifier(exact_denoiser(process))

    def log_probabilities(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.exact(x_t.flatten(1).double(), t.double())


def divergence(exact: Tensor, other: Tensor) -> float:
    """Mean over samples of KL(exact | other) = sum_c p_c (log p_c - log q_c), in nats."""
    return float((exact.exp() * (exact - other)).sum(1).mean())


@pytest.mark.parametrize("process", [EDM(), VPCosine()])
def test_it_approaches_the_exact_posterior(process: Any, make_trainer: Callable[..., Trainer]):
    """The best fit of K weights to n examples has an excess risk of K / (2 n) nats (Wilks).

    Each example is seen once, so the training is no better than that fit, but it ends near it; and
    weights that do not matter count in K, which leaves room for what is not fitted. The exact
    posterior of the level beside, one eighth of the way off, is further away than that.
    """
    num_steps, batch_size = 300, 256
    trainer = make_trainer(
        "run",
        Mixture(num_steps * batch_size),
        process,
        network=replace(SMALL, base_channels=4, head_width=4, dropout=0.0),
        optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=20, decay_from=0.2),
        batch_size=batch_size,
        num_steps=num_steps,
    )
    trainer.train(silent)
    trainer.network.load_state_dict(trainer.ema.state_dict())
    learned, exact = trainer.model.eval(), Whole(process)
    generator = torch.Generator().manual_seed(1)
    x0 = exact.exact.mixture.sample(1000, generator)[:, :, None]
    noise = torch.randn(1000, 2, 1, dtype=DOUBLE, generator=generator)
    times = trainer.objective.levels.times((torch.arange(8, dtype=DOUBLE) + 0.5) / 8)
    found, beside = [], []
    for t, next_t in zip(times, times.roll(-1), strict=True):
        x_t = process.perturb(x0, t.expand(1000), noise)
        posterior = exact(x_t, t.expand(1000))
        with torch.no_grad():
            found.append(divergence(posterior, learned(x_t, t.expand(1000))))
        beside.append(divergence(posterior, exact(x_t, next_t.expand(1000))))
    tolerance = sum(p.numel() for p in trainer.network.parameters()) / (2 * num_steps * batch_size)
    assert sum(found) / 8 < tolerance < sum(beside[:-1]) / 7


@pytest.mark.parametrize("stops", [(3,), (1, 5)])
def test_a_resumed_training_is_the_unbroken_one_bit_for_bit(make_trainer: Any, stops: Any):
    """With dropout, attention, and labels that some examples lack."""
    settings = {
        "examples": Mixture(hidden_from=300),
        "network": replace(SMALL, attention_levels=(0,)),
    }
    unbroken = make_trainer("unbroken", **settings)
    unbroken.train(silent)
    for stop in (*stops, None):
        part = make_trainer("broken", **settings)
        latest = latest_checkpoint(part.run)
        if latest is not None:
            part.resume(latest)
        part.train(silent, stop)
    left, right = (whole_state(trainer) for trainer in (unbroken, part))
    assert left.keys() == right.keys()
    assert not [name for name in left if not torch.equal(left[name], right[name])]


def whole_state(trainer: Trainer) -> dict[str, Tensor]:
    moments = {
        f"optimizer/{number}/{name}": value
        for number, values in trainer.optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
    return trainer.network.state_dict() | trainer.ema.tensors() | moments


def test_examples_without_a_label_are_passed_over(make_trainer: Any):
    """What stands where their label is absent changes neither the loss nor the figures."""
    trainer = make_trainer("run")
    x0, condition = Mixture().batch(torch.arange(40))
    present = {"label": torch.arange(40) < 25}
    losses, figures = [], []
    for other in (0, 2):
        labels = torch.where(present["label"], condition.values["label"], other)
        known = Condition({"label": labels}, present)
        torch.manual_seed(0)
        losses.append(trainer.objective.batch_loss(trainer.model, x0, known))
        figures.append(trainer.objective.validate(trainer.model.eval(), x0, known, 16))
    assert losses[0] == losses[1]
    assert figures[0] == figures[1]
    first = condition.rows(slice(25))
    assert figures[0] == trainer.objective.validate(trainer.model, x0[:25], first, 16)
    nothing = Condition(condition.values, {"label": torch.zeros(40, dtype=torch.bool)})
    assert trainer.objective.batch_loss(trainer.model, x0, nothing) == 0


def test_the_figures_are_their_formulas(make_trainer: Any):
    """Sample by sample and level by level, for the exact classifier."""
    objective, exact = make_trainer("run").objective, Whole(EDM())
    x0, condition = Mixture().batch(torch.arange(30))
    figures = objective.validate(exact, x0, condition, 7)
    times = objective.levels.times((torch.arange(8) + 0.5) / 8)
    for t in times:
        log_p = []
        for number, label in enumerate(condition.values["label"]):
            noise = SampleStreams(0, [number]).normal((2, 1))
            x_t = x0[number] + EDM().sigma(t) * noise[0]
            log_p.append((exact(x_t[None], t[None])[0], int(label)))
        key = f"{float(EDM().sigma(t)):.4g}"
        surprise = -sum(float(p[label]) for p, label in log_p) / 30
        right = sum(int(p.argmax()) == label for p, label in log_p) / 30
        assert figures["validation"][key] == pytest.approx(surprise, rel=1e-5)
        assert figures["accuracy"][key] == right
    assert figures["accuracy"]["mean"] == pytest.approx(
        sum(list(figures["accuracy"].values())[:-1]) / 8
    )


def test_reports_tell_loss_and_accuracy(make_trainer: Any):
    log: list[dict[str, Any]] = []
    make_trainer("run", validate_every=7).train(log.append)
    (report,) = (r for r in log if "validation" in r)
    assert list(report) == ["step", "validation", "accuracy"]
    assert list(report["accuracy"]) == list(report["validation"])
    assert len(report["accuracy"]) == 9


def test_training_learns(make_trainer: Any):
    """Untrained, all three classes are equally likely: a loss of log 3, at every level."""
    trainer = make_trainer("run", num_steps=60, validate_every=60)
    untrained = trainer.validate()["validation"]
    assert all(value == pytest.approx(math.log(3), abs=1e-6) for value in untrained.values())
    log: list[dict[str, Any]] = []
    trainer.train(log.append)
    assert log[-1]["validation"]["mean"] < 0.9 * math.log(3)


def model(**fields: Any) -> ModelConfig:
    defaults = {
        "shape": (2, 1),
        "condition": {"label": ClassEntry(3)},
        "network": SMALL,
        "process": Flow(),
    }
    return ModelConfig(**defaults | fields)


def test_it_is_of_the_process_units_shape_and_classes_of_its_model():
    two = {"kind": ClassEntry(2, ("a", "b")), "label": ClassEntry(3), "pose": VectorEntry(2)}
    config = ClassifierConfig.of_model(model(condition=two, sigma_data=0.5), SMALL, "kind")
    assert config == ClassifierConfig((2, 1), "kind", two["kind"], SMALL, Flow(), 0.5)
    classifier = config.build(UNITS)
    assert isinstance(classifier, NetworkClassifier)
    assert (classifier.process, classifier.num_classes) == (Flow(), 2)
    assert classifier.sigma_data == 0.5
    with pytest.raises(
        ClarionError, match=r"Unknown label of this model 'pose'.*Known: kind, label"
    ):
        ClassifierConfig.of_model(model(condition=two), SMALL, "pose")
    with pytest.raises(ClarionError, match=r"say which with --label.*: kind, label"):
        ClassifierConfig.of_model(model(condition=two), SMALL)
    with pytest.raises(ClarionError, match="Labels of this model: none"):
        ClassifierConfig.of_model(model(condition={}), SMALL)


def test_settings_for_a_model():
    data = MixtureData("x")
    network = UNetConfig(base_channels=48, head_width=48, attention_levels=(1,), patch_size=2)
    config = ClassifierTrainConfig.for_model(model(network=network), data, None)
    assert (config.network.base_channels, config.network.head_width) == (32, 32)
    assert (config.network.attention_levels, config.network.patch_size) == ((1,), 2)
    assert config.noise == LevelsConfig("time_uniform")
    few = ClassifierTrainConfig.for_model(model(), data, None)
    assert (few.network.base_channels, few.network.blocks_per_level) == (16, 1)
    with pytest.raises(ClarionError, match=r"half a U-Net .* its network is MLPConfig"):
        ClassifierTrainConfig.for_model(model(network=MLPConfig()), data, None)


def test_data_of_another_shape_or_other_classes_are_refused():
    config = ClassifierConfig.of_model(model(), SMALL)
    check_examples(config, Mixture(), UNITS)
    with pytest.raises(DataError, match=r"shape \(2, 1\), the model's samples \(2, 4\).*--size"):
        check_examples(replace(config, shape=(2, 4)), Mixture(), UNITS)
    with pytest.raises(DataError, match="do not tell 'kind'; conditions in them: label"):
        check_examples(replace(config, label="kind"), Mixture(), UNITS)
    with pytest.raises(DataError, match=r"The classes of 'label' in the data are .*, the model's"):
        check_examples(replace(config, classes=ClassEntry(3, ("a", "b", "c"))), Mixture(), UNITS)
    check_examples(replace(config, classes=ClassEntry(3, dropout=0.5)), Mixture(), UNITS)
