"""The autoregressive baseline, by enumeration and by gradients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.base.streams import SampleStreams
from clarion.base.vocabulary import Vocabulary
from clarion.baselines import AutoregressiveConfig, NextTokenObjective
from clarion.denoise.exact.tokens import markov_chain
from clarion.domains.sequence.data import SequenceData
from clarion.domains.sequence.sequence_set import SequenceSet
from clarion.nets import MLPConfig, TransformerConfig
from clarion.process.gaussian import EDM
from clarion.process.tokens import Masking
from clarion.run.config import ModelConfig, OptimizerConfig, TrainConfig
from clarion.run.opening import load_weights
from clarion.train.loop import Trainer

LENGTH, VOCABULARY = 3, 4
SPEC = {"kind": ClassEntry(2)}
NETWORK = TransformerConfig(width=16, num_blocks=2, head_width=8, is_causal=True)
CONFIG = AutoregressiveConfig(LENGTH, VOCABULARY, SPEC, NETWORK)
EVERYTHING = torch.cartesian_prod(*[torch.arange(VOCABULARY)] * LENGTH)


def perturbed(config=CONFIG):
    """A model none of whose weights is 0, in float64."""
    torch.manual_seed(0)
    model = config.build().double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.15 * torch.randn_like(weight))
    return model


def asked(n, kind=1):
    return encode_condition(SPEC, {} if kind is None else {"kind": kind}, n)


def table(model, kind=1):
    """p(x0) of all sequences, (vocabulary, ...)."""
    p = (-model.surprise(EVERYTHING, asked(len(EVERYTHING), kind)).sum(1)).exp()
    return p.reshape([VOCABULARY] * LENGTH).detach()


@pytest.mark.parametrize("kind", [None, 0, 1])
def test_probabilities_of_all_sequences_add_up_to_one(kind):
    p = table(perturbed(), kind)
    assert float(p.sum()) == pytest.approx(1, abs=1e-12)
    assert float(p.max() / p.min()) > 10
    assert (p - table(perturbed(), 0 if kind else 1)).abs().max() > 1e-3


def test_no_position_sees_its_own_token_or_a_later_one():
    model = perturbed(replace(CONFIG, length=5))
    x0 = torch.tensor([[0, 3, 1, 2, 2]])
    shown = []
    model.network.embed_tokens.register_forward_hook(lambda *call: shown.append(call[-1]))
    surprise = model.surprise(x0)[0]
    for place, value in enumerate(surprise):
        (gradient,) = torch.autograd.grad(value, shown[0], retain_graph=True)
        reached = gradient[0].abs().sum(1) > 0  # of the beginning, then of each token
        assert reached.tolist() == [i <= place for i in range(5)]
    other = model(torch.tensor([[0, 3, 1, 0]]))
    torch.testing.assert_close(other[:, :4], model(x0[:, :4])[:, :4], rtol=0, atol=1e-12)


def test_samples_follow_the_table():
    """Drawn again from the enumerated conditionals, by the same uniform numbers."""
    model, n = perturbed(), 200
    p = table(model)
    drawn = model.sample(range(n), seed=7, condition=asked(n))
    uniform = SampleStreams(7, range(n)).fine_uniform((LENGTH,))
    expected = []
    for row in uniform.tolist():
        x: list[int] = []
        for u in row:
            following = p[tuple(x)].reshape(VOCABULARY, -1).sum(1)
            x.append(int((following.cumsum(0) / following.sum() <= u).sum()))
        expected.append(x)
    assert drawn.tolist() == expected
    assert len({tuple(row) for row in expected}) > 10


def test_a_sample_depends_on_its_number_alone_and_keeps_its_beginning():
    model = perturbed(replace(CONFIG, condition={}))
    whole = model.sample(range(6), seed=3)
    assert torch.equal(model.sample([4, 2], seed=3), whole[[4, 2]])
    begun = model.sample(range(40), seed=3, beginning=torch.tensor([2, 0]))
    assert (begun[:, :2] == torch.tensor([2, 0])).all()
    assert len(begun[:, 2].unique()) > 1
    complete = torch.tensor([2, 0, 1])
    assert torch.equal(model.sample([0], beginning=complete), complete[None])


def test_it_has_the_weights_of_the_diffusion_model():
    network = replace(NETWORK, is_causal=False)
    diffusion = ModelConfig((LENGTH,), SPEC, network, Masking(VOCABULARY), domain="sequence")
    assert AutoregressiveConfig.like(diffusion) == CONFIG
    torch.manual_seed(1)
    one = diffusion.build().network.state_dict()
    torch.manual_seed(1)
    two = CONFIG.build().network.state_dict()
    assert list(one) == list(two)
    assert all(torch.equal(one[name], two[name]) for name in one)


CHAIN = markov_chain([0.5, 0.3, 0.2], [[0.9, 0.05, 0.05], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4]], 4)


def trainer(run: Path, num_steps: int = 200) -> Trainer:
    data = CHAIN.draw(4000, torch.Generator().manual_seed(0)).to(torch.uint8)
    vocabulary = Vocabulary(("a", "b", "c"))
    starts = torch.arange(len(data)) * 4
    examples = SequenceSet(vocabulary, 4, data.flatten(), starts, {}, str)
    config = TrainConfig(
        data=SequenceData("chain.txt"),
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=20),
        num_steps=num_steps,
        precision="float32",
        report_every=num_steps,
        validate_every=num_steps,
        checkpoint_every=num_steps // 2,
    )
    objective = NextTokenObjective(AutoregressiveConfig(4, 3, {}, NETWORK))
    return Trainer(config, objective, examples, None, vocabulary, run, torch.device("cpu"))


def test_training_comes_near_the_entropy(tmp_path: Path):
    reports = []
    trained = trainer(tmp_path)
    trained.train(reports.append)
    (found,) = (r["validation"]["mean"] for r in reports if "validation" in r)
    model = trained.objective.build()
    load_weights(model.network, tmp_path)
    with torch.no_grad():
        surprise = model.surprise(CHAIN.sequences).double().sum(1)
    p = CHAIN.probabilities.flatten()
    divergence = float((p * (surprise + p.log())).sum())
    assert 0 < divergence < 0.01
    # 400 sequences are held out: the entropy, to within three standard errors of their mean.
    spread = float((p * surprise**2).sum() - (p * surprise).sum() ** 2) ** 0.5 / 400**0.5
    assert 4 * found == pytest.approx(float((p * surprise).sum()), abs=3 * spread)


def test_a_training_that_stopped_goes_on_to_the_same_weights(tmp_path: Path):
    trainer(tmp_path / "whole", 20).train(lambda report: None)
    trainer(tmp_path / "parts", 20).train(lambda report: None, stop_after=10)
    second = trainer(tmp_path / "parts", 20)
    second.resume(tmp_path / "parts" / "steps" / "00000010")
    second.train(lambda report: None)
    whole, parts = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts")
    )
    assert whole == parts


@pytest.mark.parametrize("dropout", [0.0, 1.0])
def test_hidden_conditions_are_not_seen(dropout):
    config = replace(CONFIG, condition={"kind": ClassEntry(2, dropout=dropout)})
    model = perturbed(config)
    NextTokenObjective(config).batch_loss(model, EVERYTHING, asked(len(EVERYTHING))).backward()
    embedding = model.network.embed_condition
    hidden, known = embedding.absent["kind"].grad, embedding.embed["kind"].weight.grad
    assert bool((hidden != 0).any()) == (dropout == 1)
    assert bool((known != 0).any()) == (dropout == 0)


NUMBERS = ModelConfig((1, 8, 8), {}, MLPConfig(), EDM())


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: replace(CONFIG, network=replace(NETWORK, is_causal=False)), "must be causal"),
        (lambda: AutoregressiveConfig.like(NUMBERS), "not like one of EDM"),
        (
            lambda: perturbed().sample([0], beginning=torch.arange(4)),
            r"at most 3 tokens, got shape \(4,\)",
        ),
    ],
)
def test_what_cannot_be_is_refused(act, message):
    with pytest.raises(ClarionError, match=message):
        act()
