"""Each Gaussian process against its equation in 50-digit arithmetic."""

import math

import mpmath
import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.base.normalizer import Normalizer
from clarion.base.vocabulary import Vocabulary
from clarion.process import EDM, PROCESSES, VE, Flow, VPCosine, VPLinear

DOUBLE = torch.float64
mpmath.mp.dps = 50


def vp_linear(p, t):
    integral = p.beta_min * t + (mpmath.mpf(p.beta_max) - p.beta_min) * t**2 / 2
    return p.input_scale * mpmath.exp(-integral / 2), mpmath.sqrt(1 - mpmath.exp(-integral))


def edm(p, t):
    low, high = (mpmath.mpf(s) ** (1 / mpmath.mpf(p.rho)) for s in (p.sigma_min, p.sigma_max))
    return mpmath.mpf(1), (low + t * (high - low)) ** p.rho


EQUATIONS = {
    "vp_linear": vp_linear,
    "vp_cosine": lambda p, t: (mpmath.cos(mpmath.pi * t / 2), mpmath.sin(mpmath.pi * t / 2)),
    "ve": lambda p, t: (mpmath.mpf(1), p.sigma_min * (mpmath.mpf(p.sigma_max) / p.sigma_min) ** t),
    "edm": edm,
    "flow": lambda p, t: (1 - t, t),
}

OTHER_SETTINGS = {
    "vp_linear": VPLinear(beta_min=0.5, beta_max=45.0, t_min=1e-5),
    "vp_cosine": VPCosine(log_snr_min=-15.0, log_snr_max=20.0),
    "ve": VE(sigma_min=0.3, sigma_max=5000.0),
    "edm": EDM(sigma_min=0.1, sigma_max=3.0, rho=3.0),
    "flow": Flow(log_snr_min=-15.0, log_snr_max=20.0),
}

CASES = [
    pytest.param(name, process, id=f"{name}-{kind}")
    for name in PROCESSES
    for kind, process in (("default", PROCESSES[name]()), ("other", OTHER_SETTINGS[name]))
] + [pytest.param("vp_linear", VPLinear(0.005, 2.5, 0.007, input_scale=0.05), id="scaled input")]


def times(process, n=41):
    return torch.linspace(process.t_min, process.t_max, n, dtype=DOUBLE)


def test_no_process_is_left_out():
    assert set(EQUATIONS) == set(OTHER_SETTINGS) == set(PROCESSES)


@pytest.mark.parametrize(("name", "process"), CASES)
def test_alpha_sigma_and_their_ratio(name, process):
    t = times(process)
    exact = [EQUATIONS[name](process, mpmath.mpf(float(when))) for when in t]
    alpha = torch.tensor([float(a) for a, _ in exact], dtype=DOUBLE)
    sigma = torch.tensor([float(s) for _, s in exact], dtype=DOUBLE)
    log_snr = torch.tensor([float(2 * mpmath.log(a / s)) for a, s in exact], dtype=DOUBLE)
    noise_level = torch.tensor([float(s / a) for a, s in exact], dtype=DOUBLE)
    # cos(pi t / 2) near t = 1 loses rounding / alpha, alpha >= e^-7.5: 4e-13. Others lose less.
    for actual, expected in (
        (process.alpha(t), alpha),
        (process.sigma(t), sigma),
        (process.noise_level(t), noise_level),
    ):
        torch.testing.assert_close(actual, expected, rtol=2e-12, atol=0)
    torch.testing.assert_close(process.log_snr(t), log_snr, rtol=0, atol=4e-12)


@pytest.mark.parametrize(("name", "process"), CASES)
def test_time_of_inverts_log_snr(name, process):
    t = times(process)
    torch.testing.assert_close(process.time_of(process.log_snr(t)), t, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        process.time_of_noise_level(process.noise_level(t)), t, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(("name", "process"), CASES)
def test_time_of_beyond_the_ends(name, process):
    log_snr = torch.linspace(-22, 30, 53, dtype=DOUBLE)
    # 1 - t = e^-11 in the flow and the cosine at -22: rounding of t moves log_snr by 1.3e-11.
    actual = process.log_snr(process.time_of(log_snr))
    torch.testing.assert_close(actual, log_snr, rtol=0, atol=3e-11)


def test_time_of_keeps_relative_precision_near_the_data():
    """t of 1e-9 is found to 12 digits, not to 12 places."""
    for process in (VPLinear(), VPCosine(), Flow()):
        t = torch.tensor([1e-9, 1e-6], dtype=DOUBLE)
        torch.testing.assert_close(process.time_of(process.log_snr(t)), t, rtol=1e-12, atol=0)


def test_time_of_vp_linear_where_nearly_all_is_noise():
    process = VPLinear(beta_max=45.0)
    t = torch.linspace(0.9, 1, 21, dtype=DOUBLE)  # log_snr passes through -20
    # log_snr of -20 rounds by 4e-15; the quadratic's root halves that.
    torch.testing.assert_close(process.time_of(process.log_snr(t)), t, rtol=0, atol=4e-15)


@pytest.mark.parametrize(("name", "process"), CASES)
def test_log_snr_falls_strictly(name, process):
    assert (process.log_snr(times(process, 2001)).diff() < 0).all()
    assert 0 <= process.t_min < process.t_max <= 1


@pytest.mark.parametrize("process", [VPLinear(), VPCosine(), *[OTHER_SETTINGS["vp_linear"]]])
def test_variance_preserving(process):
    t = times(process, 501)
    total = process.alpha(t) ** 2 + process.sigma(t) ** 2
    torch.testing.assert_close(total, torch.ones_like(t), rtol=0, atol=1e-15)


def test_vp_linear_against_the_integral_of_beta():
    """alpha = exp(-1/2 int_0^t beta): the trapezoidal rule is exact for a linear beta."""
    process = VPLinear()
    for end in (1e-3, 0.1, 0.5, 1.0):
        s = torch.linspace(0, end, 1001, dtype=DOUBLE)
        integral = torch.trapezoid(0.1 + s * (20 - 0.1), s)
        alpha = process.alpha(torch.tensor(end, dtype=DOUBLE))
        torch.testing.assert_close(alpha, torch.exp(-integral / 2), rtol=1e-13, atol=0)


def test_vp_linear_is_the_continuous_form_of_ddpm():
    """1000 steps of DDPM's linear schedule, beta_i from 1e-4 to 0.02 (Ho et al. 2020, section 4).

    log prod(1 - beta_i) = -sum(beta_i + beta_i² / 2 + beta_i³ / 3 + beta_i⁴ / 4 + ...), and the sum
    of beta_i, 10.05, is the integral of beta. The term left out is 8e-6, those after it below 1e-6.
    """
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=DOUBLE)
    log_alpha_bar = torch.log1p(-betas).sum()
    higher_order = (betas**2 / 2 + betas**3 / 3).sum()
    actual = 2 * VPLinear().alpha(torch.tensor(1.0, dtype=DOUBLE)).log()
    torch.testing.assert_close(actual, log_alpha_bar + higher_order, rtol=0, atol=1e-5)


def test_edm_uniform_times_are_the_published_grid():
    """Karras et al. 2022, equation 5, with their N = 18, sigma_min = 0.002, sigma_max = 80."""
    n, low, high, rho = 18, 0.002, 80.0, 7
    published = [
        (high ** (1 / rho) + i / (n - 1) * (low ** (1 / rho) - high ** (1 / rho))) ** rho
        for i in range(n)
    ]
    actual = EDM().sigma(torch.linspace(1, 0, n, dtype=DOUBLE))
    torch.testing.assert_close(actual, torch.tensor(published, dtype=DOUBLE), rtol=1e-13, atol=0)


@pytest.mark.parametrize("process", [Flow(-9.0, 11.0), VPCosine(-9.0, 11.0)])
def test_ends_given_as_log_snr(process):
    ends = torch.tensor([process.t_max, process.t_min], dtype=DOUBLE)
    expected = torch.tensor([-9.0, 11.0], dtype=DOUBLE)
    torch.testing.assert_close(process.log_snr(ends), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("process", [VE(), EDM(), VE(0.3, 7.0), EDM(0.3, 7.0, rho=2.0)])
def test_ends_given_as_sigma(process):
    ends = torch.tensor([0.0, 1.0], dtype=DOUBLE)
    expected = torch.tensor([process.sigma_min, process.sigma_max], dtype=DOUBLE)
    torch.testing.assert_close(process.sigma(ends), expected, rtol=1e-14, atol=0)
    assert torch.equal(process.alpha(ends), torch.ones(2, dtype=DOUBLE))


@pytest.mark.parametrize(("name", "process"), CASES)
def test_perturb_is_affine_with_the_stated_coefficients(name, process):
    """The moments of x_t for given x0: mean perturb(x0, t, 0), deviation perturb(0, t, 1)."""
    t = times(process, 5)
    x0 = torch.randn(5, 2, 3, dtype=DOUBLE, generator=torch.manual_seed(0))
    noise = torch.randn(5, 2, 3, dtype=DOUBLE, generator=torch.manual_seed(1))
    zero, one = torch.zeros_like(x0), torch.ones_like(x0)
    x_t = process.perturb(x0, t, noise)
    for row, when in enumerate(t):
        alpha, sigma = (float(c) for c in EQUATIONS[name](process, mpmath.mpf(float(when))))
        close = {"rtol": 2e-12, "atol": 1e-15}  # as for alpha and sigma above
        torch.testing.assert_close(process.perturb(x0, t, zero)[row], alpha * x0[row], **close)
        torch.testing.assert_close(process.perturb(zero, t, one)[row], sigma * one[row], **close)
        expected = alpha * x0[row] + sigma * noise[row]
        torch.testing.assert_close(x_t[row], expected, rtol=2e-12, atol=1e-12)
        # A row alone, and a scalar time, are the same row.
        rows = slice(row, row + 1)
        assert torch.equal(process.perturb(x0[rows], t[rows], noise[rows])[0], x_t[row])
        assert torch.equal(process.perturb(x0, when, noise)[row], x_t[row])


@pytest.mark.parametrize(("name", "process"), CASES)
def test_functions_of_time_keep_shape_and_type(name, process):
    for dtype in (torch.float32, DOUBLE):
        t = torch.full((2, 3), 0.5, dtype=dtype)
        for function in (process.alpha, process.sigma, process.log_snr, process.noise_level):
            assert (function(t).shape, function(t).dtype) == (t.shape, dtype)
        assert (process.time_of(t).shape, process.time_of(t).dtype) == (t.shape, dtype)


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_float32_near_both_ends(name):
    """float32 against float64 at the same float32 times."""
    process = PROCESSES[name]()
    low, high = process.t_min, process.t_max
    span = torch.logspace(-6, -0.5, 30)
    t = torch.cat([low + span * (high - low), high - span * (high - low)])
    t = torch.cat([t, torch.tensor([low, high])]).clamp(low, high).float()
    # One rounding is 6e-8. Worst: cos(pi t / 2) at alpha = 0.0025 sees 1.57 times the rounding of
    # its argument, 9e-8 / 0.0025 = 4e-5; sigma of VE multiplies it by log(1e4) = 9, EDM by rho = 7.
    worst = 5e-5 if name == "vp_cosine" else 2e-6
    for function in (process.alpha, process.sigma):
        torch.testing.assert_close(function(t).double(), function(t.double()), rtol=worst, atol=0)
    # log_snr doubles the relative error of both and rounds a number of size up to 14.
    torch.testing.assert_close(
        process.log_snr(t).double(), process.log_snr(t.double()), rtol=0, atol=2 * worst + 2e-6
    )
    # time_of: a float32 log_snr of size 14 has error 1e-6; dt / dlog_snr is at most 1/4.
    log_snr = process.log_snr(t.double()).float()
    torch.testing.assert_close(
        process.time_of(log_snr).double(), process.time_of(log_snr.double()), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VPLinear(beta_min=-1.0), "beta_min .*got -1.0"),
        (lambda: VPLinear(beta_min=20.0), "beta_min must lie below beta_max, .*got 20.0 and 20.0"),
        (lambda: VPLinear(beta_max=math.nan), "beta_min .* nan"),
        (lambda: VPLinear(t_min=0.5, t_max=0.4), "t_min must lie below t_max, .*got 0.5 and 0.4"),
        (lambda: VPLinear(t_min=0.0), "t_min must be above 0 .*got 0.0"),
        (lambda: VPLinear(input_scale=0.0), "input_scale must be above 0 .*got 0.0"),
        (lambda: VPLinear(t_max=2.0), "t_max must be at most 1, got 2.0"),
        (lambda: VPCosine(log_snr_min=12.0), "log_snr_min must lie below log_snr_max"),
        (lambda: Flow(log_snr_min=math.nan), "log_snr_min .* nan"),
        (lambda: Flow(log_snr_min=-math.inf), "log_snr_min .* -inf"),
        (lambda: Flow(log_snr_max=math.inf), "log_snr_min .* inf"),
        (lambda: VE(sigma_min=0.0), "sigma_min must be above 0 .*got 0.0"),
        (lambda: VE(sigma_min=-1.0), "sigma_min must be above 0 .*got -1.0"),
        (lambda: VE(sigma_max=0.01), "sigma_min must lie below sigma_max"),
        (lambda: VE(sigma_max=math.inf), "sigma_min must lie below sigma_max.*inf"),
        (lambda: EDM(sigma_min=math.nan), "sigma_min .* nan"),
        (lambda: EDM(rho=0.0), "rho must be above 0.*got 0.0"),
        (lambda: EDM(rho=math.nan), "rho must be above 0.*got nan"),
        (lambda: EDM(rho=math.inf), "rho must be above 0.*got inf"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ClarionError, match=message):
        make()


@pytest.mark.parametrize("process", [cls() for cls in PROCESSES.values()], ids=str)
def test_it_is_of_numbers_alone(process):
    assert process.of_data(Normalizer((0.0,), (1.0,))) is process
    with pytest.raises(ClarionError, match="is of numbers, and the data are tokens: take 'masking"):
        process.of_data(Vocabulary(("a", "b")))
