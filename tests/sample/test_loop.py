import pytest
import torch
from gaussian_flow import MEAN, GaussianDenoiser

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError, SamplingError, UnknownNameError
from clarion.base.streams import SampleStreams
from clarion.denoise import Denoiser, Estimate
from clarion.guide import CFG, Clip, Reward
from clarion.guide.measurement import DPS
from clarion.guide.measurement.operators import Downsample
from clarion.guide.rule import SampleSpace
from clarion.process import EDM, VPCosine
from clarion.sample import SAMPLERS, AffineSampler, generate, sample

AFFINE = [name for name, cls in SAMPLERS.items() if issubclass(cls, AffineSampler)]


class ElementwiseDenoiser(Denoiser):
    """A smooth nonlinear function of each element, so that no batch can change its bits."""

    def estimate(self, x_t, t, condition):
        return Estimate(x_t / (1 + x_t * x_t))


class ConstantDenoiser(Denoiser):
    def __init__(self, process, value):
        super().__init__(process)
        self.value = value

    def estimate(self, x_t, t, condition):
        return Estimate(torch.full_like(x_t, self.value))


@pytest.mark.parametrize("name", AFFINE)
def test_a_sample_does_not_depend_on_its_batch(name):
    # Not a multiple of a vector register, so that rows start at every alignment.
    shape, denoiser = (3, 5, 5), ElementwiseDenoiser(VPCosine())
    settings = {"sampler": name, "num_steps": 6, "seed": 5}
    whole = sample(denoiser, shape, n=20, **settings)
    assert torch.equal(sample(denoiser, shape, indices=[17], **settings), whole[17:18])
    assert torch.equal(sample(denoiser, shape, indices=[19, 3, 17], **settings), whole[[19, 3, 17]])
    batches = list(generate(denoiser, shape, n=20, batch_size=7, **settings))
    assert [len(batch) for batch in batches] == [7, 7, 6]
    assert torch.equal(torch.cat(batches), whole)
    assert not torch.equal(sample(denoiser, shape, n=20, **(settings | {"seed": 6})), whole)


@pytest.mark.parametrize("name", AFFINE)
def test_data_of_one_point_is_found(name):
    # D is the point whatever the noise, so that the last step gives it.
    x = sample(ConstantDenoiser(EDM(), 0.7), (2, 3), n=2, sampler=name, num_steps=4)
    torch.testing.assert_close(x, torch.full((2, 2, 3), 0.7), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", AFFINE)
def test_a_denoiser_may_return_its_own_input(name):
    class Same(Denoiser):
        def __init__(self, process, copies):
            super().__init__(process)
            self.copies = copies

        def estimate(self, x_t, t, condition):
            return Estimate(x_t.clone() if self.copies else x_t)

    drawn = [
        sample(Same(VPCosine(), copies), (4,), n=2, sampler=name, num_steps=5)
        for copies in (True, False)
    ]
    assert torch.equal(*drawn)


@pytest.mark.parametrize("name", AFFINE)
def test_evaluations_are_those_of_the_plan(name):
    denoiser, calls = GaussianDenoiser(EDM()), []
    sample(
        denoiser,
        MEAN.shape,
        n=3,
        sampler=name,
        num_steps=5,
        callback=lambda done, total, estimate: calls.append((done, total, estimate.mean.shape)),
    )
    assert denoiser.num_evaluations == 3 * len(calls)
    total = len(calls)
    assert calls == [(done, total, (3, 4)) for done in range(1, total + 1)]


def test_it_starts_from_noise_of_the_first_level():
    # A first step to nearly the same level leaves y = s z.
    process = EDM()
    times = torch.tensor([1.0, 1.0 - 1e-12], dtype=torch.float64)
    x = sample(
        ConstantDenoiser(process, 0.0),
        (4,),
        n=2,
        sampler="euler",
        times=times,
        seed=9,
        dtype=torch.float64,
    )
    expected = 80 * SampleStreams(9, [0, 1]).normal((4,), dtype=torch.float64)
    torch.testing.assert_close(x, expected, rtol=1e-10, atol=0)


def test_a_rule_is_asked_for_its_cheapest_form_at_each_time():
    asked = []

    class Counting(ElementwiseDenoiser):
        def at(self, visit):
            asked.append(visit)
            return self

    sample(Counting(EDM()), (2,), n=1, sampler="heun", num_steps=3)
    times = [visit.t for visit in asked]
    assert len(times) == 5
    assert times[1] == times[2]
    assert times == sorted(times, reverse=True)
    assert all(visit.memory is asked[0].memory for visit in asked)
    assert asked[-1].next_t == 0


def test_conditions_are_split_along_with_their_samples():
    class Label(Denoiser):
        def estimate(self, x_t, t, condition):
            return Estimate(condition.values["label"].to(x_t.dtype)[:, None].expand_as(x_t))

    condition = encode_condition({"label": ClassEntry(10)}, {"label": [1, 4, 7]}, 3)
    batches = generate(Label(EDM()), (2,), n=3, batch_size=2, condition=condition, num_steps=3)
    expected = torch.tensor([1.0, 4.0, 7.0])[:, None].expand(3, 2)
    torch.testing.assert_close(torch.cat(list(batches)), expected, rtol=0, atol=1e-5)
    with pytest.raises(ClarionError, match="3 rows for 2 samples"):
        sample(Label(EDM()), (2,), n=2, condition=condition)


@pytest.mark.parametrize("num_steps", [0, -1, True, 2.0, "4"])
def test_num_steps_must_be_a_positive_whole_number(num_steps):
    with pytest.raises(ClarionError, match="num_steps must be a whole number"):
        sample(ElementwiseDenoiser(EDM()), (2,), n=1, num_steps=num_steps)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n": 0}, "n must be a whole number, at least 1, got 0"),
        ({"n": True}, "n must be a whole number"),
        ({}, "either n or indices"),
        ({"n": 2, "indices": [1]}, "either n or indices"),
        ({"indices": []}, "at least one sample"),
        ({"indices": [-1]}, "index must be a whole number"),
        ({"n": 1, "dtype": torch.bfloat16}, "dtype must be"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings, message):
    with pytest.raises(ClarionError, match=message):
        sample(ElementwiseDenoiser(EDM()), (2,), **settings)


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'heun'"):
        sample(ElementwiseDenoiser(EDM()), (2,), n=1, sampler="huen")
    with pytest.raises(UnknownNameError, match="Did you mean 'karras'"):
        sample(ElementwiseDenoiser(EDM()), (2,), n=1, grid="karas")


class BrokenRow(Denoiser):
    def estimate(self, x_t, t, condition):
        factor = torch.zeros(len(x_t), 1)
        factor[1] = float("nan")
        return Estimate(factor * x_t)


def test_a_result_that_is_not_finite_is_an_error():
    with pytest.raises(SamplingError, match=r"1 of 3 samples drawn with HeunSampler"):
        sample(BrokenRow(EDM()), (2,), n=3, sampler="heun", num_steps=3)


def total(x0, condition):
    return x0.sum(1)


@pytest.mark.parametrize(
    ("rules", "sampler", "remedies"),
    [
        ((), "heun", "more steps"),
        ((), "repaint", "more steps"),
        ((Clip(),), "ddpm", "more steps"),
        ((Reward(total, 3.0),), "ddpm", "a smaller scale of Reward or more steps"),
        ((DPS(torch.zeros(2), Downsample(1), 0.1),), "ddpm", "a larger sigma_y of DPS or more"),
        (
            (CFG(3.0), Reward(total, 3.0)),
            "ddpm",
            "a smaller scale of Reward or a smaller guidance_scale of CFG or more steps",
        ),
    ],
)
def test_only_what_was_in_use_is_said_to_be_too_strong(rules, sampler, remedies):
    denoiser = BrokenRow(EDM())
    condition = encode_condition({"label": ClassEntry(2)}, {"label": 1}, 3)
    for rule in rules:
        denoiser = rule.bind(SampleSpace((2,)))(denoiser)
    with pytest.raises(SamplingError) as info:
        sample(denoiser, (2,), n=3, condition=condition, sampler=sampler, num_steps=3)
    assert str(info.value).startswith("1 of 3 samples")
    assert f". Try {remedies}" in str(info.value)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("name", ["euler", "heun", "ddim"])
def test_a_trajectory_is_taken_up_where_it_was_left(name):
    """These carry nothing but x from step to step, and draw no noise."""
    process = VPCosine()
    denoiser = GaussianDenoiser(process)
    times = process.time_of_noise_level(torch.tensor([5.0, 2.0, 0.7, 0.2, 0.1]).double())
    settings = {"n": 3, "sampler": name, "dtype": torch.float64}
    whole = sample(denoiser, MEAN.shape, times=times, **settings)
    halfway = sample(denoiser, MEAN.shape, times=times[:3], **settings)
    kept = halfway.clone()
    rest = sample(denoiser, MEAN.shape, times=times[2:], start=halfway, seed=8, **settings)
    torch.testing.assert_close(rest, whole, rtol=0, atol=1e-13)
    assert torch.equal(halfway, kept)


def test_fresh_noise_follows_the_seed_from_the_same_start():
    process = VPCosine()
    settings = {"n": 3, "sampler": "ddpm", "times": torch.tensor([0.9, 0.5, 0.1]).double()}
    start = torch.ones(3, *MEAN.shape)
    ends = [
        sample(GaussianDenoiser(process), MEAN.shape, start=start, seed=seed, **settings)
        for seed in (1, 1, 2)
    ]
    assert torch.equal(ends[0], ends[1])
    assert (ends[0] - ends[2]).abs().min() > 1e-4


def test_a_start_that_does_not_fit():
    with pytest.raises(ClarionError, match=r"start must have shape \(2, 4\), got \(3, 4\)"):
        sample(ConstantDenoiser(EDM(), 0.7), (4,), n=2, start=torch.zeros(3, 4))
