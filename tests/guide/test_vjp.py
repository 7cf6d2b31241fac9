"""Gradients through a denoiser: their values, and how much is kept for them."""

import weakref

import pytest
import torch

from clarion.base.condition import ClassEntry, encode_condition
from clarion.denoise.exact import GaussianDenoiser, MixtureClassifier
from clarion.guide import CFG, Autoguidance, ClassifierGuidance
from clarion.guide.gradient import Reward
from clarion.guide.measurement import DPS, MMPS, PiGDM
from clarion.guide.measurement.operators import Matrix
from clarion.guide.vjp import estimate_with_vjp
from clarion.process import EDM, PROCESSES
from clarion.sample import sample
from clarion.verify.targets import TARGETS

DOUBLE = torch.float64
MEAN = torch.tensor([0.3, -0.2], dtype=DOUBLE)
SIGMA = torch.tensor([[1.0, 0.4], [0.4, 0.5]], dtype=DOUBLE)
A = torch.tensor([[1.0, 2.0]], dtype=DOUBLE)
Y = torch.tensor([0.5], dtype=DOUBLE)


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_the_product_is_one_with_the_covariance(name):
    """alpha / sigma² Cov(x0 | x_t), and 1 / Cov = 1 / Sigma + alpha² / sigma²."""
    process = PROCESSES[name]()
    x_t = torch.randn(3, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0.2, 0.5, 0.8], dtype=DOUBLE)
    v = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]], dtype=DOUBLE)
    _, vjp = estimate_with_vjp(GaussianDenoiser(process, MEAN, SIGMA), x_t, t, None)
    product = vjp(v)
    for i in range(3):
        alpha, sigma = process.alpha(t[i]), process.sigma(t[i])
        precision = torch.linalg.inv(SIGMA) + (alpha / sigma) ** 2 * torch.eye(2, dtype=DOUBLE)
        expected = alpha / sigma**2 * torch.linalg.solve(precision, v[i])
        torch.testing.assert_close(product[i], expected, rtol=1e-9, atol=1e-12)


LABELS = {"label": ClassEntry(2)}
CONDITION = encode_condition(LABELS, {"label": [0, 1, 0]}, 3)


def square(x0, condition):
    return -x0.square().sum(1)


@pytest.mark.parametrize(
    ("rules", "forwards", "backwards"),
    [
        (lambda model: [Reward(square, 0.3)], 1, 1),
        (lambda model: [CFG(2.0), Reward(square, 0.3)], 2, 2),  # back through both rows
        (lambda model: [Autoguidance(2.0, model(EDM())), Reward(square, 0.3)], 2, 2),
        (lambda model: [CFG(2.0), Reward(square, 0.3, gradient="detached")], 2, 0),
        (lambda model: [ClassifierGuidance(2.0, MixtureClassifier(model(EDM())))], 2, 1),
        (lambda model: [Reward(square, 0.3), CFG(2.0)], 2, 2),
    ],
)
def test_each_pass_of_each_row_is_counted_forwards_and_backwards(rules, forwards, backwards):
    """Against what each rule asks, counted by hand: rows of three samples."""
    model = TARGETS["classes"].denoiser
    inner = denoiser = model(EDM())
    for rule in rules(model):
        denoiser = rule(denoiser)
    x_t, t = torch.ones(3, 2, dtype=DOUBLE), torch.full((3,), 0.5, dtype=DOUBLE)
    denoiser(x_t, t, CONDITION)
    assert (denoiser.num_evaluations, inner.num_gradients) == (3 * forwards, 3 * backwards)
    assert denoiser.num_gradients == inner.num_gradients


class Box:
    """Holds a tensor for as long as a graph holds the box."""

    def __init__(self, tensor):
        self.tensor = tensor


class Kept:
    """How many tensors the graphs of automatic differentiation hold, now and at most."""

    def __init__(self):
        self.now = self.most = 0

    def pack(self, tensor):
        box = Box(tensor)
        self.now += 1
        self.most = max(self.most, self.now)
        weakref.finalize(box, self._free)
        return box

    def _free(self):
        self.now -= 1


@pytest.mark.parametrize(
    "rule",
    [
        DPS(Y, Matrix(A), 0.5),
        PiGDM(Y, Matrix(A), 0.5),
        MMPS(Y, Matrix(A), 0.5),
        Reward(lambda x0, condition: -x0.square().sum(1), 1.0),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_what_is_kept_does_not_grow_with_the_steps(rule):
    most = []
    for num_steps in (2, 12):
        kept, denoiser = Kept(), rule(GaussianDenoiser(EDM(), MEAN, SIGMA))
        with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda box: box.tensor):
            sample(denoiser, (2,), n=2, num_steps=num_steps, dtype=DOUBLE)
        assert kept.now == 0
        most.append(kept.most)
    assert most[0] == most[1] > 0
