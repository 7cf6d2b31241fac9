"""Each prediction type, for each process, against its definition and as a round trip."""

import itertools
import math

import pytest
import torch

from clarion.base.errors import UnknownNameError
from clarion.denoise.parametrization import PARAMETRIZATIONS, from_x0, to_x0
from clarion.process import PROCESSES

DOUBLE = torch.float64
SIGMA_DATA = 0.6


def edm_table_1(alpha, sigma, x0, x_t, noise):
    """F_theta of Karras et al. 2022, table 1, for x = x_t / alpha at noise level s."""
    x, s, d = x_t / alpha, sigma / alpha, SIGMA_DATA
    c_skip = d**2 / (s**2 + d**2)
    c_out = s * d / torch.sqrt(d**2 + s**2)
    return (x0 - c_skip * x) / c_out


DEFINITIONS = {
    "x0": lambda alpha, sigma, x0, x_t, noise: x0,
    "noise": lambda alpha, sigma, x0, x_t, noise: noise,
    "v": lambda alpha, sigma, x0, x_t, noise: alpha * noise - sigma * x0,
    "flow": lambda alpha, sigma, x0, x_t, noise: noise - x0,
    "score": lambda alpha, sigma, x0, x_t, noise: -noise / sigma,
    "edm": edm_table_1,
}

CASES = list(itertools.product(sorted(PROCESSES), sorted(PARAMETRIZATIONS)))


def draw(process, n=13):
    generator = torch.Generator().manual_seed(0)
    x0 = SIGMA_DATA * torch.randn(n, 2, 3, dtype=DOUBLE, generator=generator)
    noise = torch.randn(n, 2, 3, dtype=DOUBLE, generator=generator)
    t = torch.linspace(process.t_min, process.t_max, n, dtype=DOUBLE)
    return x0, noise, t, process.perturb(x0, t, noise)


def coefficients_at(process, name, t):
    return PARAMETRIZATIONS[name](process.alpha(t), process.sigma(t), SIGMA_DATA)


def test_no_prediction_type_is_left_out():
    assert set(DEFINITIONS) == set(PARAMETRIZATIONS)


@pytest.mark.parametrize(("process", "name"), CASES)
def test_prediction_is_what_its_name_says(process, name):
    process = PROCESSES[process]()
    x0, noise, t, x_t = draw(process)
    alpha, sigma = (c.reshape(-1, 1, 1) for c in (process.alpha(t), process.sigma(t)))
    expected = DEFINITIONS[name](alpha, sigma, x0, x_t, noise)
    actual = from_x0(x0, x_t, coefficients_at(process, name, t))
    # x0 - skip x_t cancels where there is little noise: rounding / noise level, 2e-16 / 0.0015,
    # and once more divided by it for the score.
    largest = float(expected.abs().max())
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-12 * max(1, largest))


@pytest.mark.parametrize(("process", "name"), CASES)
def test_round_trip(process, name):
    process = PROCESSES[process]()
    x0, _, t, x_t = draw(process)
    coefficients = coefficients_at(process, name, t)
    # At noise level 400 (alpha 0.0025, or sigma 100) x0 is what is left of numbers 400 times it.
    back = to_x0(from_x0(x0, x_t, coefficients), x_t, coefficients)
    torch.testing.assert_close(back, x0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("process", sorted(PROCESSES))
def test_edm_prediction_has_unit_variance(process):
    """Exact moments: y = a x0 + b noise with a² d² + b² = 1."""
    process = PROCESSES[process]()
    t = torch.linspace(process.t_min, process.t_max, 13, dtype=DOUBLE)
    one, zero = torch.ones(13, 1, dtype=DOUBLE), torch.zeros(13, 1, dtype=DOUBLE)
    coefficients = coefficients_at(process, "edm", t)
    a = from_x0(one, process.perturb(one, t, zero), coefficients)
    b = from_x0(zero, process.perturb(zero, t, one), coefficients)
    # a is the small rest of 1 - skip alpha; divided by out, at least 0.0015, it has error 1e-13.
    torch.testing.assert_close((a * SIGMA_DATA) ** 2 + b**2, one, rtol=0, atol=1e-11)


@pytest.mark.parametrize("process", ["vp_cosine", "vp_linear"])
def test_v_is_edm_up_to_sign_on_variance_preserving_unit_data(process):
    """With alpha² + sigma² = 1 and d = 1 both are the same rotation: v = -F."""
    process = PROCESSES[process]()
    t = torch.linspace(process.t_min, process.t_max, 13, dtype=DOUBLE)
    v_skip, v_out = PARAMETRIZATIONS["v"](process.alpha(t), process.sigma(t), 1.0)
    edm_skip, edm_out = PARAMETRIZATIONS["edm"](process.alpha(t), process.sigma(t), 1.0)
    torch.testing.assert_close(v_skip, edm_skip, rtol=1e-14, atol=0)
    torch.testing.assert_close(v_out, -edm_out, rtol=1e-14, atol=0)


def test_unknown_prediction_type():
    with pytest.raises(UnknownNameError, match=r"prediction type 'nois'. Did you mean 'noise'\?"):
        PARAMETRIZATIONS["nois"]


def test_edm_at_one_noise_level_by_hand():
    """s = d = 1, alpha = 1: c_skip = 1/2, c_out = 1/sqrt 2."""
    one = torch.ones(1, dtype=DOUBLE)
    skip, out = PARAMETRIZATIONS["edm"](one, one, 1.0)
    assert skip.item() == 0.5
    assert math.isclose(out.item(), math.sqrt(0.5), rel_tol=1e-15)
