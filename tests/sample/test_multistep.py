"""Adams-Bashforth and exponential multistep methods against published and textbook forms."""

import math
from itertools import pairwise

import pytest
import torch
from gaussian_flow import MEAN, VARIANCE, propagate

from clarion.base.errors import ClarionError
from clarion.process import EDM, GRIDS
from clarion.sample import SAMPLERS
from clarion.sample.multistep import lagrange_integrals

LEVELS = [10.0, 7.0, 4.0, 2.5, 1.0, 0.3, 0.1]
START = 10 * torch.linspace(-1, 1, 4, dtype=torch.float64)


def denoise(y, s):
    return MEAN + VARIANCE / (VARIANCE + s**2) * (y - MEAN)


def end_of(sampler, levels=LEVELS):
    return propagate(sampler, levels, START, torch.zeros_like(START))[0]


def assert_same(actual, expected):
    # Some tens of operations on numbers of size 10.
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("num_nodes", "weights"),
    [
        (2, [3 / 2, -1 / 2]),
        (3, [23 / 12, -16 / 12, 5 / 12]),
        (4, [55 / 24, -59 / 24, 37 / 24, -9 / 24]),
    ],
)
def test_equal_steps_give_the_weights_of_adams_and_bashforth(num_nodes, weights):
    nodes = [-float(j) for j in range(num_nodes)]
    assert lagrange_integrals(nodes, 0.0, 1.0) == pytest.approx(weights, abs=1e-14)


def test_exponential_weights_integrate_their_polynomials():
    # Integral of e^(u - 1) u^m over [0.4, 1], by parts; l_j reproduces u^m for m below the count.
    nodes, end = [0.4, -0.3, -1.1], 1.0
    weights = lagrange_integrals(
        nodes, 0.4, end, lambda u: torch.exp(torch.tensor(u - end)).numpy()
    )
    e = math.exp(-0.6)
    moments = [1 - e, 0.0 + 0.6 * e, 1 - e * (0.16 - 0.8 + 2)]
    for power, moment in enumerate(moments):
        total = sum(w * node**power for w, node in zip(weights, nodes, strict=True))
        assert total == pytest.approx(moment, abs=1e-14)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_deis_fits_a_polynomial_through_its_slopes(order):
    # The integral of numpy's own interpolating polynomial, from an Euler start.
    import numpy as np

    y, slopes, at = START, [], []
    for s, s_next in pairwise(LEVELS):
        slopes.insert(0, (y - denoise(y, s)) / s)
        at.insert(0, s)
        k = min(order, len(at))
        values = torch.stack(slopes[:k]).numpy()
        primitive = [
            np.polyint(np.polyfit(np.array(at[:k]) - s, values[:, i], k - 1)) for i in range(4)
        ]
        y = y + torch.tensor([np.polyval(p, s_next - s) for p in primitive])
    actual = end_of(SAMPLERS["deis"](solver_order=order, start="euler"))
    torch.testing.assert_close(actual, y, rtol=0, atol=1e-10)  # polyfit solves least squares


def test_dpmpp_2m_is_the_published_algorithm():
    y, last_D, last_h = START, None, None
    for s, s_next in pairwise([*LEVELS, 0.0]):
        D = denoise(y, s)
        h = math.log(s / s_next) if s_next else math.inf
        if last_D is None or s_next == 0:
            extrapolated = D
        else:
            r = last_h / h
            extrapolated = (1 + 1 / (2 * r)) * D - 1 / (2 * r) * last_D
        y = (s_next / s) * y - math.expm1(-h) * extrapolated
        last_D, last_h = D, h
    assert_same(end_of(SAMPLERS["dpmpp_2m"](start="euler"), [*LEVELS, 0.0]), y)


def crowson_3m(levels, curvature):
    """k-diffusion's DPM-Solver++(3M) SDE at eta = 0, its last term times `curvature`."""
    y, D1, D2, h1, h2 = START, None, None, None, None
    for s, s_next in pairwise(levels):
        D, h = denoise(y, s), math.log(s / s_next)
        y = math.exp(-h) * y - math.expm1(-h) * D
        phi_2 = math.expm1(-h) / h + 1
        if h2 is not None:
            r0, r1 = h1 / h, h2 / h
            d1_0, d1_1 = (D - D1) / r0, (D1 - D2) / r1
            d1 = d1_0 + (d1_0 - d1_1) * r0 / (r0 + r1)
            d2 = (d1_0 - d1_1) / (r0 + r1)
            y = y + phi_2 * d1 - curvature * (phi_2 / h - 0.5) * d2
        elif h1 is not None:
            y = y + phi_2 * (D - D1) / (h1 / h)
        D1, D2, h1, h2 = D, D1, h, h1
    return y


def test_dpmpp_3m_is_that_of_k_diffusion_with_its_last_term_doubled():
    # d2 is half of a second derivative, and so stands for it with a factor of 2.
    assert_same(end_of(SAMPLERS["dpmpp_3m"](start="euler")), crowson_3m(LEVELS, curvature=2))
    # As published, a step repeated with values that lie on the flow is of local order 3, not 4:
    # D = u² in lambda is integrated exactly by ours alone.
    lambdas, end = [0.0, -0.5, -1.1], 0.4
    levels = [math.exp(-u) for u in lambdas]
    weights = SAMPLERS["dpmpp_3m"]().predict(levels, levels[0], math.exp(-end))
    exact = end**2 - 2 * end + 2 - 2 * math.exp(-end)  # integral of e^(u - end) u², by parts
    assert sum(w * u**2 for w, u in zip(weights, lambdas, strict=True)) == pytest.approx(exact)


@pytest.mark.parametrize("eta", [0.0, 0.7, 1.0])
def test_dpmpp_2m_sde_is_that_of_k_diffusion(eta):
    sampler = SAMPLERS["dpmpp_2m_sde"](eta=eta, s_noise=1.1)
    y, last_D, last_h = START, None, None
    for (s, s_next), update in zip(pairwise(LEVELS), sampler.updates(LEVELS), strict=True):
        D, h = denoise(y, s), math.log(s / s_next)
        eta_h = eta * h
        y = s_next / s * math.exp(-eta_h) * y - math.expm1(-h - eta_h) * D
        if last_D is not None:
            r = last_h / h
            y = y - 0.5 * math.expm1(-h - eta_h) * (1 / r) * (D - last_D)
        noise = s_next * math.sqrt(-math.expm1(-2 * eta_h)) * 1.1
        assert update.noise == pytest.approx(noise, rel=1e-14)
        last_D, last_h = D, h
    assert_same(end_of(sampler), y)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_unipc_equals_predictor_and_corrector_kept_apart(k):
    # Equation 3 of the paper: solve for the weights by matching monomials of u, with exact
    # moments of e^(u - end), and apply predictor and corrector one after the other.
    def weights(lambdas, start, end):
        u = torch.tensor(lambdas, dtype=torch.float64) - end
        moments = [1 - math.exp(start - end)]
        for power in range(1, len(lambdas)):  # by parts
            edge = -math.exp(start - end) * (start - end) ** power
            moments.append(edge - power * moments[-1])
        powers = torch.stack([u**p for p in range(len(lambdas))])
        return torch.linalg.solve(powers, torch.tensor(moments, dtype=torch.float64))

    y, values, lambdas = START, [], []
    predicted = START
    for s, s_next in pairwise(LEVELS):
        value, at = denoise(predicted, s), -math.log(s)
        if values:  # correct the step that led here, from its own beginning
            count = min(k, len(values)) + 1
            nodes, known = [at, *lambdas][:count], [value, *values][:count]
            combined = sum(
                w * D for w, D in zip(weights(nodes, lambdas[0], at), known, strict=True)
            )
            y = math.exp(lambdas[0] - at) * y + combined
        values, lambdas = [value, *values], [at, *lambdas]
        count = min(k, len(values))
        w = weights(lambdas[:count], at, -math.log(s_next))
        combined = sum(a * D for a, D in zip(w, values[:count], strict=True))
        predicted = s_next / s * y + combined
    actual = end_of(SAMPLERS["unipc"](solver_order=k))
    torch.testing.assert_close(actual, predicted, rtol=0, atol=1e-11)  # it solves for its weights


@pytest.mark.parametrize(
    ("name", "start", "extra"),
    [
        ("dpmpp_2m", "euler", 0),
        ("dpmpp_2m", "corrected", 0),
        ("dpmpp_3m", "corrected", 0),
        ("dpmpp_3m", "heun", 1),
        ("deis", "heun", 1),
        ("ipndm", "runge_kutta", 2),
    ],
)
def test_a_start_costs_what_is_stated(name, start, extra):
    times = GRIDS["karras"]()(EDM(), 10)
    assert SAMPLERS[name](start=start).plan(EDM(), times).num_evaluations == 10 + extra


def test_a_corrected_start_is_bounded_on_a_long_first_step():
    # From s = 400 to 10 the trapezoid rule in s would move y by hundreds; the step is to land
    # nearer to the flow than Euler's.
    levels = [400.0, 10.0, 9.9]
    y = MEAN + torch.full_like(MEAN, 400.0)
    exact = MEAN + 400 * ((VARIANCE + 9.9**2) / (VARIANCE + 400**2)).sqrt()
    errors = []
    for start in ("euler", "corrected"):
        end, _ = propagate(SAMPLERS["deis"](start=start), levels, y, torch.zeros_like(y))
        errors.append((end - exact).abs())
    assert bool((errors[1] < errors[0]).all())


def test_options_are_checked():
    with pytest.raises(
        ClarionError, match=r"solver_order must be a whole number, in 1\.\.4, got 5"
    ):
        SAMPLERS["ipndm"](solver_order=5)
    with pytest.raises(ClarionError, match="Did you mean 'corrected'"):
        SAMPLERS["dpmpp_3m"](start="correct")
