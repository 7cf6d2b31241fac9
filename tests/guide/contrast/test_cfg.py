"""Classifier-free guidance on a labelled Gaussian mixture, where every score is known."""

import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from clarion.base.condition import encode_condition
from clarion.base.errors import ClarionError, UnknownNameError
from clarion.denoise import Visit
from clarion.denoise.exact import MixtureDenoiser
from clarion.guide import CFG, GUIDANCE, Guidance
from clarion.process import EDM, PROCESSES, Flow
from clarion.process.grids import Trailing
from clarion.run.serialize import parse_kind

DOUBLE = torch.float64
PROCESS_NAMES = sorted(PROCESSES)

WEIGHTS = torch.tensor([0.2, 0.3, 0.4, 0.1], dtype=DOUBLE)
MEANS = torch.tensor([[-1.0, 0.5], [1.0, 1.0], [0.0, -1.5], [2.0, 0.0]], dtype=DOUBLE)
VARIANCES = torch.tensor([0.3, 0.1, 0.5, 0.2], dtype=DOUBLE)
COMPONENT_LABELS = torch.tensor([0, 1, 2, 1])

# Both passes run as one batch of twice the size, whose matrix products may sum in another order.
SAME = {"rtol": 0, "atol": 1e-12}


class CountingMixture(MixtureDenoiser):
    """Notes the size of each batch it is asked for."""

    def __init__(self, process):
        super().__init__(process, WEIGHTS, MEANS, VARIANCES, labels=COMPONENT_LABELS)
        self.batches = []

    def estimate(self, x_t, t, condition):
        self.batches.append(len(x_t))
        return super().estimate(x_t, t, condition)


class Problem:
    """Nine noisy samples with labels, one with its label absent, at times from end to end."""

    def __init__(self, process):
        self.process, self.denoiser = process, CountingMixture(process)
        generator = torch.Generator().manual_seed(0)
        self.t = torch.linspace(process.t_min, process.t_max, 9, dtype=DOUBLE)
        x0 = self.denoiser.sample(9, generator)
        noise = torch.randn(x0.shape, dtype=DOUBLE, generator=generator)
        self.x_t = process.perturb(x0, self.t, noise)
        self.labels = torch.arange(9) % 3
        self.present = torch.arange(9) != 4
        spec = self.denoiser.condition_spec
        condition = encode_condition(spec, {"label": self.labels}, 9)
        self.condition = condition.keep_where({"label": self.present})

    def mean(self, guidance=None, condition="own"):
        denoiser = self.denoiser if guidance is None else guidance(self.denoiser)
        given = self.condition if condition == "own" else condition
        return denoiser(self.x_t, self.t, given).mean


@pytest.mark.parametrize("name", PROCESS_NAMES)
def test_scale_one_and_zero_are_the_plain_models(name):
    problem = Problem(PROCESSES[name]())
    conditional, unconditional = problem.mean(), problem.mean(condition=None)
    assert (conditional - unconditional).abs().max() > 0.1  # else this would show nothing
    torch.testing.assert_close(problem.mean(CFG(1.0)), conditional, **SAME)
    torch.testing.assert_close(problem.mean(CFG(0.0)), unconditional, **SAME)
    for row, when in enumerate(problem.t.tolist()):
        x_t, t = problem.x_t[row : row + 1], problem.t[row : row + 1]
        condition = problem.condition.rows(slice(row, row + 1))
        for scale, expected in ((1.0, conditional), (0.0, unconditional)):
            actual = CFG(scale)(problem.denoiser).at(Visit(when))(x_t, t, condition).mean
            torch.testing.assert_close(actual[0], expected[row], **SAME)


def score_by_autograd(problem, keep):
    """grad log p(x_t) of the components kept in each row, from torch.distributions."""
    alpha, sigma = (c.reshape(-1, 1, 1) for c in problem_coefficients(problem))
    variances = alpha**2 * VARIANCES.reshape(1, 4, 1) + sigma**2
    marginal = MixtureSameFamily(
        Categorical(logits=(WEIGHTS * keep).log(), validate_args=False),
        MultivariateNormal(alpha * MEANS, variances.unsqueeze(3) * torch.eye(2, dtype=DOUBLE)),
        validate_args=False,
    )
    x_t = problem.x_t.clone().requires_grad_()
    return torch.autograd.grad(marginal.log_prob(x_t).sum(), x_t)[0]


def problem_coefficients(problem):
    return problem.process.alpha(problem.t), problem.process.sigma(problem.t)


@pytest.mark.parametrize("name", PROCESS_NAMES)
@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 3.0, -1.0])
def test_guided_score_is_the_closed_form(name, scale):
    """(1 - w) grad log p(x_t) + w grad log p(x_t | label), w the guidance scale."""
    problem = Problem(PROCESSES[name]())
    absent = ~problem.present.unsqueeze(1)
    own = (problem.labels.unsqueeze(1) == COMPONENT_LABELS) | absent
    unconditional = score_by_autograd(problem, torch.ones_like(own))
    conditional = score_by_autograd(problem, own)
    expected = (1 - scale) * unconditional + scale * conditional
    estimate = CFG(scale)(problem.denoiser)(problem.x_t, problem.t, problem.condition)
    sigma = problem_coefficients(problem)[1].unsqueeze(1)
    # Compared as sigma * score, of size 1: the mean is exact to 1e-15, and the noise, the rest of
    # x_t - alpha mean over sigma >= 0.0015, to 1e-12.
    actual = sigma * estimate.score(problem.process, problem.x_t, problem.t)
    torch.testing.assert_close(actual, sigma * expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", PROCESS_NAMES)
def test_guided_score_adds_the_pull_of_the_class_posterior(name):
    """grad log p(x_t) + w grad log p(label | x_t): guidance by the exact classifier."""
    problem, scale = Problem(PROCESSES[name]()), 2.5
    x_t = problem.x_t.clone().requires_grad_()
    log_posterior = problem.denoiser.log_class_posterior(x_t, problem.t)
    own = log_posterior.gather(1, problem.labels.unsqueeze(1)).squeeze(1) * problem.present
    total = problem.denoiser.log_density(x_t, problem.t) + scale * own
    (expected,) = torch.autograd.grad(total.sum(), x_t)
    estimate = CFG(scale)(problem.denoiser)(problem.x_t, problem.t, problem.condition)
    sigma = problem_coefficients(problem)[1].unsqueeze(1)
    actual = sigma * estimate.score(problem.process, problem.x_t, problem.t)
    torch.testing.assert_close(actual, sigma * expected, rtol=1e-10, atol=1e-11)


def test_interval_acts_on_each_sample_by_its_own_time():
    problem = Problem(Flow())
    low, high = float(problem.t[2]), float(problem.t[5])  # both ends belong to it
    guided, plain = problem.mean(CFG(3.0)), problem.mean()
    actual = problem.mean(CFG(3.0, t_low=low, t_high=high))
    inside = torch.tensor([2 <= row <= 5 for row in range(9)])
    expected = torch.where(inside.unsqueeze(1), guided, plain)
    torch.testing.assert_close(actual, expected, **SAME)


def test_the_ends_of_the_interval_survive_rounding():
    """Three of ten equal steps is 0.30000000000000004, and in float32 0.3 lies above itself."""
    problem = Problem(EDM())
    guided = CFG(3.0, t_low=0.1, t_high=0.3)(problem.denoiser)
    times = Trailing()(EDM(), 10)[:-1].tolist()
    inside = [t for t in times if guided.at(Visit(t)) is not guided.inner]
    assert inside == pytest.approx([0.3, 0.2, 0.1], rel=1e-12)
    for dtype in (torch.float32, DOUBLE):
        t = torch.tensor([0.3, 0.1], dtype=dtype)
        expected = CFG(3.0)(problem.denoiser)(problem.x_t[:2], t, problem.condition.rows(slice(2)))
        actual = guided(problem.x_t[:2], t, problem.condition.rows(slice(2)))
        torch.testing.assert_close(actual.mean, expected.mean, **SAME)


@pytest.mark.parametrize("name", PROCESS_NAMES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_at_agrees_with_forward(name, scale):
    problem = Problem(PROCESSES[name]())
    guided = CFG(scale, t_low=0.3, t_high=0.8)(problem.denoiser)
    expected = guided(problem.x_t, problem.t, problem.condition).mean
    for row, when in enumerate(problem.t.tolist()):
        t = torch.full((9,), when, dtype=DOUBLE)
        actual = guided.at(Visit(when))(problem.x_t, t, problem.condition).mean[row]
        torch.testing.assert_close(actual, expected[row], **SAME)


@pytest.mark.parametrize(
    ("rule", "when", "batches"),
    [
        (CFG(3.0), 0.5, [18]),  # both passes as one batch
        (CFG(-1.0), 0.5, [18]),
        (CFG(3.0, t_low=0.2, t_high=0.7), 0.2, [18]),
        (CFG(3.0, t_low=0.2, t_high=0.7), 0.7, [18]),
        (CFG(3.0, t_low=0.2, t_high=0.7), 0.19, [9]),
        (CFG(3.0, t_low=0.2, t_high=0.7), 0.71, [9]),
        (CFG(1.0), 0.5, [9]),
        (CFG(0.0), 0.5, [9]),
        (CFG(0.0, t_low=0.2, t_high=0.7), 0.8, [9]),
    ],
)
def test_a_second_pass_is_spent_only_where_it_has_an_effect(rule, when, batches):
    problem = Problem(Flow())
    guided = rule(problem.denoiser)
    cheap = guided.at(Visit(when))
    cheap(problem.x_t, torch.full((9,), when, dtype=DOUBLE), problem.condition)
    assert problem.denoiser.batches == batches
    assert guided.num_evaluations == cheap.num_evaluations == sum(batches)


def test_where_guidance_never_has_an_effect_forward_spends_one_pass_too():
    problem = Problem(Flow())
    problem.mean(CFG(1.0))
    assert problem.denoiser.batches == [9]


def test_outside_its_interval_the_rule_steps_aside_altogether():
    denoiser = CountingMixture(Flow())
    assert CFG(3.0, t_low=0.2, t_high=0.7)(denoiser).at(Visit(0.1)) is denoiser
    assert CFG(1.0)(denoiser).at(Visit(0.5)) is denoiser


@pytest.mark.parametrize("rule", [CFG(3.0), CFG(3.0, t_low=0.2, t_high=0.7), CFG(0.0), CFG(1.0)])
def test_no_sample_depends_on_the_others(rule):
    problem = Problem(Flow())
    guided = rule(problem.denoiser)
    together = guided(problem.x_t, problem.t, problem.condition).mean
    for row in range(9):
        rows = slice(row, row + 1)
        alone = guided(problem.x_t[rows], problem.t[rows], problem.condition.rows(rows)).mean
        # Sums over components may run in another order for another batch size: a few roundings.
        torch.testing.assert_close(alone[0], together[row], rtol=1e-14, atol=1e-14)


def test_a_sample_whose_condition_is_absent_stays_unconditional():
    problem = Problem(Flow())
    assert not problem.present[4]
    expected = problem.mean(condition=None)[4]
    torch.testing.assert_close(problem.mean(CFG(5.0))[4], expected, **SAME)


@pytest.mark.parametrize("name", PROCESS_NAMES)
def test_nested_scales_multiply(name):
    """The outer rule's unconditional pass is u + b (u - u) = u, its result u + a b (c - u)."""
    problem = Problem(PROCESSES[name]())
    expected = problem.mean(CFG(3.0))
    nested = CFG(2.0)(CFG(1.5)(problem.denoiser))
    problem.denoiser.batches.clear()
    actual = nested(problem.x_t, problem.t, problem.condition).mean
    torch.testing.assert_close(actual, expected, **SAME)
    assert problem.denoiser.batches == [36]
    when = float(problem.t[3])
    t = torch.full((9,), when, dtype=DOUBLE)
    actual = nested.at(Visit(when))(problem.x_t, t, problem.condition).mean[3]
    torch.testing.assert_close(actual, expected[3], **SAME)


def test_nested_intervals_step_aside_one_by_one():
    problem = Problem(Flow())
    nested = CFG(2.0, t_low=0.5, t_high=1.0)(CFG(1.5, t_low=0.0, t_high=0.6)(problem.denoiser))
    for when, scale, size in ((0.2, 1.5, 18), (0.55, 3.0, 36), (0.8, 2.0, 18)):
        t = torch.full((9,), when, dtype=DOUBLE)
        problem.denoiser.batches.clear()
        actual = nested.at(Visit(when))(problem.x_t, t, problem.condition).mean
        assert problem.denoiser.batches == [size]
        expected = CFG(scale)(problem.denoiser)(problem.x_t, t, problem.condition).mean
        torch.testing.assert_close(actual, expected, **SAME)
        direct = nested(problem.x_t, t, problem.condition).mean
        torch.testing.assert_close(direct, expected, **SAME)


def test_guidance_keeps_the_type_of_x_t():
    problem = Problem(Flow())
    mean = CFG(3.0, t_low=0.2, t_high=0.7)(problem.denoiser)(
        problem.x_t.float(), problem.t, problem.condition
    )
    assert mean.mean.dtype == torch.float32


@pytest.mark.parametrize("scale", [math.nan, math.inf, -math.inf, "3"])
def test_bad_scale(scale):
    with pytest.raises(
        ClarionError, match=f"guidance_scale must be a finite number, got {scale!r}"
    ):
        CFG(scale)


@pytest.mark.parametrize("low", [math.nan, "a"])
def test_an_end_that_is_no_number(low):
    with pytest.raises(ClarionError, match=f"t_low must be a finite number, got {low!r}"):
        CFG(3.0, t_low=low)
    with pytest.raises(ClarionError, match=f"t_high must be a finite number, got {low!r}"):
        CFG(3.0, t_high=low)


@pytest.mark.parametrize(("low", "high"), [(0.7, 0.2), (-0.1, 0.5), (0.5, 1.1)])
def test_bad_interval(low, high):
    with pytest.raises(ClarionError, match=f"0 <= t_low <= t_high <= 1, got {low} and {high}"):
        CFG(3.0, t_low=low, t_high=high)


@pytest.mark.parametrize("scale", [0.0, 3.0])
def test_a_missing_condition_is_refused(scale):
    problem = Problem(Flow())
    guided = CFG(scale)(problem.denoiser)
    for denoiser in (guided, guided.at(Visit(0.5))):
        with pytest.raises(ClarionError, match="needs a condition to steer towards; got none"):
            denoiser(problem.x_t, problem.t)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("cfg:3", CFG(3.0)),
        ("cfg:1.5@0.2-0.7", CFG(1.5, t_low=0.2, t_high=0.7)),
        ("cfg:-1", CFG(-1.0)),
        ("cfg:+2", CFG(2.0)),
        ("cfg:1e1", CFG(10.0)),
        ("cfg:3@0-1", CFG(3.0)),
        ("cfg:3@0-0", CFG(3.0, t_low=0.0, t_high=0.0)),
        ("cfg:3@.2-.7", CFG(3.0, t_low=0.2, t_high=0.7)),
    ],
)
def test_parse(text, rule):
    assert parse_kind(Guidance, text) == rule


def test_what_is_parsed_can_be_written_again():
    for rule in (CFG(1.5, t_low=0.2, t_high=0.7), CFG(-3.25), CFG(0.0, t_low=0.125, t_high=0.5)):
        text = f"cfg:{rule.guidance_scale}@{rule.t_low}-{rule.t_high}"
        assert parse_kind(Guidance, text) == rule


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cfg:nan", "guidance_scale must be a finite number, got nan"),
        ("cfg:inf", "guidance_scale must be a finite number, got inf"),
        ("cfg:1e999", "guidance_scale must be a finite number, got inf"),
        ("cfg:x", "must be float, got 'x'; it is written cfg:GUIDANCE_SCALE.*@LOW-HIGH"),
        ("cfg:", "'cfg:' lacks guidance_scale; it is written cfg:GUIDANCE_SCALE"),
        ("cfg", "'cfg' lacks guidance_scale"),
        ("cfg:-", "must be float, got '-'"),
        ("cfg:3@", "must be float, got '3@'"),
        ("cfg:3@0.2", "must be float, got '3@0.2'"),
        ("cfg:3@0.2-", "must be float, got '3@0.2-'"),
        ("cfg:3@0.2.1-0.7", "must be float, got '3@0.2.1-0.7'"),
        ("cfg:3,4", "'cfg:3,4' has too many settings; it is written cfg:"),
        ("cfg:3,guidance_scale=4", "gives guidance_scale twice"),
        ("cfg:guidance=4", "Unknown setting of cfg 'guidance'. Did you mean 'guidance_scale'"),
        ("cfg:3@0.7-0.2", r"0 <= t_low <= t_high <= 1, got 0\.7 and 0\.2"),
        ("cfg:3@0.2-1.7", r"0 <= t_low <= t_high <= 1, got 0\.2 and 1\.7"),
    ],
)
def test_parse_refuses(text, message):
    with pytest.raises(ClarionError, match=message):
        parse_kind(Guidance, text)


def test_parse_says_which_rule_was_meant():
    with pytest.raises(UnknownNameError, match=r"guidance rule 'cgf'\. Did you mean 'cfg'"):
        parse_kind(Guidance, "cgf:3")


@pytest.mark.parametrize("name", sorted(GUIDANCE))
def test_every_rule_in_the_table_is_one(name):
    assert issubclass(GUIDANCE[name], Guidance)
