"""What the network sees and what is made of what it says."""

import math

import pytest
import torch
from torch import nn

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError, UnknownNameError
from clarion.denoise import Visit
from clarion.denoise.network import NetworkDenoiser
from clarion.denoise.parametrization import PARAMETRIZATIONS, from_x0
from clarion.process import PROCESSES, Flow

DOUBLE = torch.float64
SIGMA_DATA = 0.6


class FakeNetwork(nn.Module):
    """Remembers what it was given and says what it was told to."""

    def __init__(self, answer=None):
        super().__init__()
        self.answer, self.calls = answer, []

    def forward(self, x, noise_level, condition):
        self.calls.append((x, noise_level, condition))
        return x if self.answer is None else self.answer


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def times(process, n=11):
    return torch.linspace(process.t_min, process.t_max, n, dtype=DOUBLE)


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_input_has_unit_variance(name):
    """Exact moments: the input is a x0 + b noise with a² d² + b² = 1."""
    process, network = PROCESSES[name](), FakeNetwork()
    denoiser, t = NetworkDenoiser(network, process, sigma_data=SIGMA_DATA), times(process)
    one, zero = torch.ones(11, 1, dtype=DOUBLE), torch.zeros(11, 1, dtype=DOUBLE)
    denoiser(process.perturb(one, t, zero), t)
    denoiser(process.perturb(zero, t, one), t)
    a, b = (call[0] for call in network.calls)
    torch.testing.assert_close((a * SIGMA_DATA) ** 2 + b**2, one, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_input_and_noise_level_of_karras(name):
    """Karras et al. 2022, table 1: c_in x and c_noise = log(s) / 4, for x = x_t / alpha."""
    process, network = PROCESSES[name](), FakeNetwork()
    denoiser, t = NetworkDenoiser(network, process, sigma_data=SIGMA_DATA), times(process)
    x_t = draw(11, 2, 3)
    mean = denoiser(x_t, t).mean
    x, noise_level, condition = network.calls[0]
    s = process.sigma(t) / process.alpha(t)
    level = s.reshape(-1, 1, 1)
    clean_units = x_t / process.alpha(t).reshape(-1, 1, 1)
    c_in = 1 / torch.sqrt(level**2 + SIGMA_DATA**2)
    # 1e-12: cos(pi t / 2) near t = 1 loses rounding / alpha; see the tests of the processes.
    torch.testing.assert_close(x, c_in * clean_units, rtol=1e-12, atol=0)
    torch.testing.assert_close(noise_level, s.log() / 4, rtol=0, atol=1e-12)
    assert condition is None
    c_skip = SIGMA_DATA**2 / (level**2 + SIGMA_DATA**2)
    c_out = level * SIGMA_DATA / torch.sqrt(SIGMA_DATA**2 + level**2)
    expected = c_skip * clean_units + c_out * (c_in * clean_units)
    torch.testing.assert_close(mean, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", sorted(PROCESSES))
@pytest.mark.parametrize("prediction_type", sorted(PARAMETRIZATIONS))
def test_a_perfect_network_gives_back_the_data(name, prediction_type):
    process, x0, noise = PROCESSES[name](), draw(11, 2, 3), draw(11, 2, 3, seed=1)
    t = times(process)
    x_t = process.perturb(x0, t, noise)
    coefficients = PARAMETRIZATIONS[prediction_type](process.alpha(t), process.sigma(t), SIGMA_DATA)
    network = FakeNetwork(from_x0(x0, x_t, coefficients))
    denoiser = NetworkDenoiser(network, process, prediction_type, SIGMA_DATA)
    torch.testing.assert_close(denoiser(x_t, t).mean, x0, rtol=0, atol=1e-12)


def test_the_condition_reaches_the_network_and_evaluations_are_counted():
    network = FakeNetwork()
    denoiser = NetworkDenoiser(network, Flow())
    assert denoiser.num_evaluations == 0
    condition = encode_condition({"label": ClassEntry(3)}, {"label": [0, 1, 2]}, 3)
    t = torch.full((3,), 0.5, dtype=DOUBLE)
    denoiser(draw(3, 2), t, condition)
    assert network.calls[0][2] is condition
    assert denoiser.num_evaluations == 3
    denoiser(draw(2, 2), t[:2])
    assert denoiser.num_evaluations == 5
    assert denoiser.at(Visit(0.5)) is denoiser


def test_autocast_is_for_the_network_alone():
    class Linear(nn.Linear):
        def forward(self, x, noise_level, condition):
            return super().forward(x)

    torch.manual_seed(0)
    network = Linear(4, 4)
    seen = []
    network.register_forward_hook(lambda module, given, answer: seen.append(answer.dtype))
    x_t, t = torch.randn(3, 4), torch.full((3,), 0.5)
    exact = NetworkDenoiser(network, Flow())(x_t, t).mean
    mixed = NetworkDenoiser(network, Flow(), autocast_dtype=torch.bfloat16)(x_t, t).mean
    assert seen == [torch.float32, torch.bfloat16]
    assert mixed.dtype == torch.float32
    # bfloat16 keeps 8 bits: products of four numbers of size 1 are off by about 4 * 2^-8.
    torch.testing.assert_close(mixed, exact, rtol=0, atol=0.03)
    assert not torch.equal(mixed, exact)


def test_the_estimate_has_the_type_of_x_t_and_the_network_that_of_its_weights():
    class Linear(nn.Linear):
        def forward(self, x, noise_level, condition):
            assert x.dtype == noise_level.dtype == self.weight.dtype
            return super().forward(x)

    torch.manual_seed(0)
    denoiser = NetworkDenoiser(Linear(4, 4), Flow())
    x_t, t = torch.randn(3, 4, dtype=DOUBLE), torch.full((3,), 0.5, dtype=DOUBLE)
    mean = denoiser(x_t, t).mean
    assert mean.dtype == DOUBLE
    # float32 keeps 24 bits of four products of size 1.
    expected = denoiser(x_t.float(), t.float()).mean.double()
    torch.testing.assert_close(mean, expected, rtol=0, atol=1e-6)


def test_bad_arguments():
    with pytest.raises(UnknownNameError, match=r"Unknown prediction type 'epsilon'"):
        NetworkDenoiser(FakeNetwork(), Flow(), "epsilon")
    for sigma_data in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ClarionError, match=f"sigma_data must be .*got {sigma_data}"):
            NetworkDenoiser(FakeNetwork(), Flow(), sigma_data=sigma_data)
