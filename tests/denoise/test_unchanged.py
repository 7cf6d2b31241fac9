"""What is asked only where something has changed is the same as what is asked everywhere."""

import pytest
import torch

from clarion.base.condition import ClassEntry, VectorEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.denoise import Visit
from clarion.denoise.unchanged import UnchangedRows
from clarion.guide import CFG, Compose
from clarion.nets import TransformerConfig
from clarion.process.tokens import Masking, Uniform
from clarion.run.classifier_config import ClassifierConfig
from clarion.run.config import ModelConfig
from clarion.sample import TOKEN_SAMPLERS, ParticleSampler, sample

LENGTH, N = 6, 40
SPEC = {"label": ClassEntry(3), "score": VectorEntry(2)}
NETWORK = TransformerConfig(width=8, num_blocks=1, head_width=4, reads_noise_level=False)


def model(process=None, **changed):
    """A float64 denoiser in which everything matters, so that no rounding changes a token."""
    given = {"shape": (LENGTH,), "condition": SPEC, "network": NETWORK, "domain": "sequence"}
    torch.manual_seed(0)
    denoiser = ModelConfig(process=process or Masking(4), **given | changed).build().double()
    for parameter in denoiser.parameters():
        parameter.data += 0.4 * torch.randn_like(parameter)
    return denoiser.eval().requires_grad_(False)


def condition(n=N):
    given = {"label": [i % 3 for i in range(n)], "score": [[i, 1.0] for i in range(n)]}
    return encode_condition(SPEC, given, n)


def drawn(denoiser, sampler="ancestral", num_steps=16, asked=None, n=N):
    settings = {"n": n, "num_steps": num_steps, "condition": asked, "dtype": torch.float64}
    before = denoiser.num_evaluations
    x = sample(denoiser, (LENGTH,), sampler=sampler, seed=3, **settings)
    return x, denoiser.num_evaluations - before


@pytest.mark.parametrize(
    "name", [name for name in TOKEN_SAMPLERS if name not in ("particles", "svdd")]
)
@pytest.mark.parametrize("asked", [None, condition()], ids=["alone", "asked"])
def test_samples_are_the_same_to_the_bit_with_fewer_evaluations(name, asked):
    denoiser = model()
    plain, whole = drawn(denoiser, name, asked=asked)
    saved, fewer = drawn(UnchangedRows(denoiser), name, asked=asked)
    assert torch.equal(plain, saved)
    assert whole == N * (31 if name == "predictor_corrector" else 16)
    assert N < fewer < whole * (0.9 if name == "predictor_corrector" else 0.6)


@pytest.mark.parametrize("num_steps", [4, 32])
def test_as_many_evaluations_as_the_formula_says(num_steps):
    """Once in the beginning, and after each step but the last in which a token was shown.

    1 + (N - 1) (1 - (1 - 1 / N)^L) in the mean, with a standard error below that of a sum of
    independent events, since what changed already changes no more.
    """
    n = 2000
    expected = 1 + (num_steps - 1) * (1 - (1 - 1 / num_steps) ** LENGTH)
    _, count = drawn(UnchangedRows(model()), num_steps=num_steps, n=n)
    assert count / n == pytest.approx(expected, abs=4 * (expected / n) ** 0.5)
    assert expected < LENGTH + 1


def test_rules_and_particles_find_the_same():
    denoiser, asked = model(), condition()
    half = encode_condition(SPEC, [({"label": 1}, 0.5), ({"label": 2}, 0.5)], N)
    particles = ParticleSampler(lambda x0, _: x0.double().mean(1), 2.0, 4)
    for rules, given, sampler in (
        ([CFG(3.0)], asked, "ancestral"),
        ([CFG(3.0, t_low=0.3, t_high=0.6)], asked, "ancestral"),
        ([Compose()], half, "ancestral"),
        ([CFG(2.0)], asked, particles),
    ):
        plain, saving = denoiser, UnchangedRows(denoiser)
        for rule in rules:
            plain, saving = rule(plain), rule(saving)
        (x, whole), (y, fewer) = (drawn(d, sampler, 32, given) for d in (plain, saving))
        assert torch.equal(x, y)
        assert fewer < 0.75 * whole


def test_another_condition_is_asked_about():
    """Of unchanged tokens, as a rule does that asks about one thing after another."""
    denoiser = model()
    saving = UnchangedRows(denoiser).at(Visit(0.5))
    x, t = torch.full((3, LENGTH), 4), torch.full((3,), 0.5, dtype=torch.float64)
    first = condition(3)
    label = torch.tensor([0, 2, 2])
    second = encode_condition(
        SPEC, {"label": label.tolist(), "score": [[i, 1] for i in range(3)]}, 3
    )
    absent = first.keep_where({"score": torch.tensor([True, True, False])})
    before = denoiser.num_evaluations
    for given, rows in ((first, 3), (second, 1), (first, 1), (absent, 1), (None, 3), (None, 0)):
        expected = denoiser.estimate(x, t, given).logits
        torch.testing.assert_close(saving(x, t, given).logits, expected, rtol=0, atol=1e-12)
        assert denoiser.num_evaluations - before == rows
        before = denoiser.num_evaluations


def test_outside_of_a_run_everything_is_asked():
    denoiser = model()
    saving = UnchangedRows(denoiser)
    x, t = torch.full((3, LENGTH), 4), torch.full((3,), 0.5, dtype=torch.float64)
    for _ in range(2):
        saving(x, t)
    assert denoiser.num_evaluations == 6


def test_a_network_that_does_not_read_the_noise_level_says_the_same_at_each():
    x, t = torch.randint(5, (4, LENGTH)), torch.linspace(0.1, 0.9, 4, dtype=torch.float64)
    for reads in (True, False):
        network = TransformerConfig(width=8, num_blocks=1, head_width=4, reads_noise_level=reads)
        denoiser = model(network=network)
        assert denoiser.reads_time is reads
        change = float((denoiser(x, t).logits - denoiser(x, t.flip(0)).logits).abs().max())
        assert change > 1e-3 if reads else change == 0


def test_where_the_noise_level_tells_more_than_the_tokens_it_is_read():
    with pytest.raises(ClarionError, match="reads_noise_level must be True for Uniform"):
        model(Uniform(4))
    with pytest.raises(ClarionError, match="reads_noise_level must be True for Uniform"):
        ClassifierConfig((LENGTH,), "label", ClassEntry(3), NETWORK, Uniform(4))
    with pytest.raises(AssertionError, match="would depend on t"):
        UnchangedRows(model(Uniform(4), network=TransformerConfig(width=8, head_width=4)))
