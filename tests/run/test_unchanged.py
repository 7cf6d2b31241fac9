"""A model of masks whose network is not told the noise level is asked only where tokens changed."""

from dataclasses import replace
from pathlib import Path

import torch

from clarion.base.condition import ClassEntry
from clarion.base.vocabulary import Vocabulary
from clarion.domains.sequence.data import SequenceData
from clarion.guide.tokens import TokenClassifierGuidance
from clarion.nets import TransformerConfig
from clarion.process.tokens import Masking
from clarion.run.classifier_config import ClassifierConfig, ClassifierTrainConfig
from clarion.run.config import ModelConfig
from clarion.run.files import read_json
from clarion.run.model import Model

LENGTH, N, NUM_STEPS = 5, 20, 32


def make_model(reads: bool) -> Model:
    network = TransformerConfig(width=8, num_blocks=1, head_width=4, reads_noise_level=reads)
    config = ModelConfig(
        (LENGTH,), {"label": ClassEntry(2)}, network, Masking(3), domain="sequence"
    )
    torch.manual_seed(0)
    denoiser = config.build()
    for parameter in denoiser.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return Model(config, denoiser, Vocabulary(("a", "b", "c")))


def evaluations(model: Model, **settings) -> float:
    before = model.denoiser.num_evaluations
    drawn = model.sample(N, num_steps=NUM_STEPS, batch_size=7, **settings)
    assert drawn.shape == (N, LENGTH)
    return (model.denoiser.num_evaluations - before) / N


def test_it_saves_evaluations_alone_and_guided(tmp_path: Path) -> None:
    make_model(reads=False).save(tmp_path / "model")
    model = Model.load(tmp_path / "model")
    assert not model.denoiser.reads_time
    assert evaluations(model) <= LENGTH + 1
    guided = {"condition": {"label": 1}, "guidance": "cfg:2"}
    assert evaluations(model, **guided) <= 2 * (LENGTH + 1)
    told = make_model(reads=True)
    assert evaluations(told) == NUM_STEPS
    assert evaluations(told, **guided) == 2 * NUM_STEPS


def test_a_classifier_that_is_not_told_either_is_asked_as_seldom() -> None:
    """Its settings are those of the model's network."""
    model = make_model(reads=False)
    data = SequenceData("x.csv")
    network = ClassifierTrainConfig.for_model(model.config, data, None).network
    assert not network.reads_noise_level
    found = []
    for reads in (False, True):
        told = replace(network, reads_noise_level=reads)
        classifier = ClassifierConfig.of_model(model.config, told).build(model.codec)
        torch.manual_seed(1)
        for parameter in classifier.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
        for how in ("exact", "first_order"):
            rule = TokenClassifierGuidance(3.0, classifier.eval().requires_grad_(False), how)
            evaluations(model, condition={"label": 1}, guidance=rule)
            found.append(rule.num_evaluations / N)
    exact, gradient, all_exact, all_gradients = found
    assert gradient <= LENGTH + 1
    assert all_gradients == NUM_STEPS
    # One sequence for each number of masks from 5 to 1, three others for each mask, and the last.
    assert exact <= LENGTH + 1 + 3 * (1 + 2 + 3 + 4 + 5)
    assert all_exact > 2 * exact


def test_with_and_without_a_memory_samples_are_the_same() -> None:
    model = make_model(reads=False)
    config = ClassifierConfig.of_model(model.config, model.config.network)
    torch.manual_seed(1)
    classifier = config.build(model.codec).double().eval().requires_grad_(False)
    for parameter in classifier.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    x = []
    for reads in (False, True):
        classifier._reads_time = reads
        rule = TokenClassifierGuidance(3.0, classifier)
        x.append(model.sample(N, num_steps=NUM_STEPS, condition={"label": 1}, guidance=rule))
    assert torch.equal(*x)


def test_models_that_were_saved_before_there_was_a_choice_read_it(tmp_path: Path) -> None:
    make_model(reads=True).save(tmp_path / "model")
    network = read_json(tmp_path / "model" / "config.json")["model"]["network"]
    assert "reads_noise_level" not in network
    assert Model.load(tmp_path / "model").denoiser.reads_time
