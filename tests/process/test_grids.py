"""Each time grid against its formula, for every process."""

import itertools
import math

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.process import EDM, GRIDS, PROCESSES, VE, Flow, VPCosine, VPLinear
from clarion.process.grids import GivenLevels, Karras, LogSNRUniform, TimeUniform, Trailing
from clarion.process.tokens import Masking

DOUBLE = torch.float64
PAIRS = list(itertools.product(sorted(PROCESSES), sorted(GRIDS)))
# 1e-11: time_of loses up to rounding / (1 - t), 1e-13, and noise levels reach 400.
CLOSE = {"rtol": 1e-11, "atol": 0}


def levels(process, grid, n):
    return process.noise_level(grid(process, n)[:-1])


@pytest.mark.parametrize(("name", "grid"), PAIRS)
def test_form(name, grid):
    process, grid = PROCESSES[name](), GRIDS[grid]()
    for n in (1, 2, 3, 18, 1000):
        times = grid(process, n)
        assert times.dtype == DOUBLE
        assert times.shape == (n + 1,)
        assert times[0] == process.t_max
        assert times[-1] == 0
        assert (times[:-1].diff() < 0).all()
        assert times[-2] >= process.t_min
    if not isinstance(grid, Trailing):
        assert grid(process, 7)[-2] == process.t_min


@pytest.mark.parametrize(("grid", "n"), list(itertools.product(sorted(GRIDS), [2, 7, 44])))
def test_rounding_never_leaves_the_ends(grid, n):
    """1 + 2e-16 would lie outside the interval [0, 1] of a guidance rule, and silently unguided."""
    generator = torch.Generator().manual_seed(0)
    for low, span, rho in torch.rand(60, 3, generator=generator, dtype=DOUBLE).tolist():
        sigma_min = 10 ** (4 * low - 4)
        sigma_max = sigma_min * 10 ** (0.5 + 5 * span)
        for process in (
            VE(sigma_min, sigma_max),
            EDM(sigma_min, sigma_max, 1 + 9 * rho),
            Flow(-2 - 18 * low, 2 + 18 * span),
            VPCosine(-2 - 18 * low, 2 + 18 * span),
        ):
            times = GRIDS[grid]()(process, n)[:-1]
            assert times[0] == process.t_max
            assert times.min() >= (0 if grid == "trailing" else process.t_min)
            assert times.max() == process.t_max


@pytest.mark.parametrize("name", sorted(PROCESSES))
@pytest.mark.parametrize("rho", [1.0, 7.0])
def test_karras(name, rho):
    """Karras et al. 2022, equation 5, between the process's own noise levels."""
    process, n = PROCESSES[name](), 12
    high, low = (
        float(process.noise_level(torch.tensor(t, dtype=DOUBLE)))
        for t in (process.t_max, process.t_min)
    )
    expected = [
        (high ** (1 / rho) + i / (n - 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho
        for i in range(n)
    ]
    actual = levels(process, Karras(rho), n)
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=DOUBLE), **CLOSE)


def test_karras_on_edm_is_uniform_in_time():
    expected = TimeUniform()(EDM(), 18)
    torch.testing.assert_close(Karras()(EDM(), 18), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_log_snr_uniform(name):
    process = PROCESSES[name]()
    log_snr = process.log_snr(LogSNRUniform()(process, 9)[:-1])
    expected = [log_snr[0] + (log_snr[-1] - log_snr[0]) * i / 8 for i in range(9)]
    torch.testing.assert_close(log_snr, torch.stack(expected), rtol=0, atol=1e-11)
    geometric = levels(process, LogSNRUniform(), 9)
    ratios = geometric[1:] / geometric[:-1]
    torch.testing.assert_close(ratios, ratios[:1].expand(8), **CLOSE)


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_time_uniform_and_trailing(name):
    process, n = PROCESSES[name](), 5
    high, low = process.t_max, process.t_min
    uniform = [high + (low - high) * i / 4 for i in range(5)] + [0.0]
    trailing = [high * (5 - i) / 5 for i in range(6)]
    for grid, expected in ((TimeUniform(), uniform), (Trailing(), trailing)):
        expected = torch.tensor(expected, dtype=DOUBLE)
        torch.testing.assert_close(grid(process, n), expected, rtol=0, atol=1e-15)


def test_trailing_is_the_published_choice():
    """Lin et al. 2023, table 2: 5 of 1000 steps are 1000, 800, 600, 400, 200."""
    times = Trailing()(PROCESSES["vp_linear"](), 5)
    steps = (1000 * times).round().int()
    assert steps.tolist() == [1000, 800, 600, 400, 200, 0]


@pytest.mark.parametrize("name", ["vp_linear", "vp_cosine", "flow"])
def test_trailing_with_many_steps_stays_where_denoisers_are_asked(name):
    process = PROCESSES[name]()
    torch.testing.assert_close(
        Trailing()(process, 2000), TimeUniform()(process, 2000), rtol=0, atol=0
    )


@pytest.mark.parametrize("grid", sorted(GRIDS))
@pytest.mark.parametrize("num_steps", [0, -1, True, 2.5, 3.0, "3", None])
def test_bad_num_steps(grid, num_steps):
    with pytest.raises(ClarionError, match="num_steps must be a whole number, at least 1, got"):
        GRIDS[grid]()(Flow(), num_steps)


@pytest.mark.parametrize("rho", [0.0, -7.0, math.nan, math.inf])
def test_bad_rho(rho):
    with pytest.raises(ClarionError, match="rho must be above 0"):
        Karras(rho)


@pytest.mark.parametrize("grid", [Karras, LogSNRUniform])
@pytest.mark.parametrize("process", [cls() for cls in PROCESSES.values()], ids=list(PROCESSES))
def test_ends_may_be_given_as_noise_levels(grid, process):
    times = grid(sigma_max=20.0, sigma_min=0.05)(process, 9)
    actual = process.noise_level(times[:-1])
    # The levels go through log-SNR to a time and back; 1e-11 is that round trip at worst.
    torch.testing.assert_close(
        actual[[0, -1]], torch.tensor([20.0, 0.05], dtype=torch.float64), rtol=1e-11, atol=0
    )
    assert float(times[-1]) == 0
    assert bool((times.diff() < 0).all())


def test_log_snr_between_given_levels_is_geometric():
    actual = EDM().noise_level(LogSNRUniform(sigma_max=8.0, sigma_min=0.5)(EDM(), 5)[:-1])
    expected = torch.tensor([8.0, 4.0, 2.0, 1.0, 0.5], dtype=torch.float64)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("level", [0.0, -1.0, math.nan, math.inf])
def test_levels_that_are_none_are_refused(level):
    with pytest.raises(ClarionError, match="sigma_min must be above 0"):
        LogSNRUniform(sigma_min=level)


def test_levels_in_the_wrong_order_are_refused():
    with pytest.raises(ClarionError, match="sigma_min must lie below sigma_max"):
        Karras(sigma_max=1.0, sigma_min=2.0)


def test_levels_that_the_process_does_not_reach_are_refused():
    with pytest.raises(ClarionError, match=r"sigma_max must be in \[0.002, 80\].*got 81"):
        LogSNRUniform(sigma_max=81.0)(EDM(), 4)


@pytest.mark.parametrize("process", [VPLinear(), EDM(), Flow(), VPLinear(input_scale=0.1)])
def test_levels_that_are_given(process):
    grid = GivenLevels((3.0, 1.25, 0.2))
    expected = torch.tensor([3.0, 1.25, 0.2], dtype=DOUBLE)
    torch.testing.assert_close(levels(process, grid, 3), expected, **CLOSE)
    assert grid(process, 3)[-1] == 0


def test_levels_of_a_chain_are_those_of_its_own_steps():
    """x <- sqrt(1 - beta) x + sqrt(beta) noise, step by step, is not in closed form."""
    betas, scale = (1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5), 0.3
    alpha, variance, expected = scale, 0.0, []
    for beta in betas:
        alpha, variance = math.sqrt(1 - beta) * alpha, (1 - beta) * variance + beta
        expected.insert(0, math.sqrt(variance) / alpha)
    assert GivenLevels.of_betas(betas, scale).levels == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GivenLevels(()), "levels must fall and be above 0"),
        (lambda: GivenLevels((1.0, 1.0)), "levels must fall"),
        (lambda: GivenLevels((-1.0,)), "levels must fall"),
        (lambda: GivenLevels.of_betas([0.5, 1.0]), "betas must be in"),
        (lambda: GivenLevels((3.0, 1.0))(EDM(), 12), "num_steps must be 2, .* got 12"),
        (lambda: GivenLevels((300.0, 1.0))(EDM(), 2), r"A level must be in \[0.002, 80\] .* 300"),
        (lambda: GivenLevels((3.0, 1.0))(Masking(3), 2), "which Masking"),
    ],
)
def test_levels_that_cannot_be_given(make, message):
    with pytest.raises(ClarionError, match=message):
        make()
