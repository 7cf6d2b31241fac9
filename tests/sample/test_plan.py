import pytest
import torch
from gaussian_flow import MEAN, GaussianDenoiser, final_scale

from clarion.base.errors import ClarionError
from clarion.process import EDM, GRIDS, PROCESSES, VE, VPLinear
from clarion.sample import SAMPLERS, AffineSampler, sample
from clarion.sample.plan import noise_levels

AFFINE = [name for name, cls in SAMPLERS.items() if issubclass(cls, AffineSampler)]
LEVELS = torch.tensor([20.0, 11.0, 5.0, 2.0, 0.7, 0.2], dtype=torch.float64)


@pytest.mark.parametrize("name", AFFINE)
@pytest.mark.parametrize("to_data", [True, False])
def test_processes_agree_at_equal_noise_levels(name, to_data):
    # The same seed and the same levels sigma / alpha give the same x_t / alpha.
    results = []
    for cls in PROCESSES.values():
        process = cls()
        times = process.time_of_noise_level(LEVELS)
        if to_data:
            times = torch.cat([times, times.new_zeros(1)])
        sampler = SAMPLERS[name]()
        scale = final_scale(process, sampler.plan(process, times))
        x = sample(
            GaussianDenoiser(process),
            MEAN.shape,
            n=3,
            sampler=sampler,
            times=times,
            dtype=torch.float64,
        )
        results.append(x / scale)
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", AFFINE)
@pytest.mark.parametrize("process_name", list(PROCESSES))
def test_a_plan_asks_within_the_times_of_its_process(name, process_name):
    process = PROCESSES[process_name]()
    for grid in GRIDS.values():
        for num_steps in (1, 2, 7):
            plan = SAMPLERS[name]().plan(process, grid()(process, num_steps))
            assert all(process.t_min <= stage.t <= process.t_max for stage in plan.stages)
            assert plan.stages[-1].next_t == 0
            assert plan.num_evaluations == len(plan.stages)


@pytest.mark.parametrize("name", AFFINE)
def test_history_is_kept_as_long_as_it_is_used_and_no_longer(name):
    plan = SAMPLERS[name]().plan(EDM(), GRIDS["karras"]()(EDM(), 8))
    length = 0
    for stage in plan.stages:
        length += 1
        assert len(stage.weights) <= length
        length = min(length, stage.num_kept)
    assert length == 0


@pytest.mark.parametrize(
    ("process", "name"), [(VPLinear(), "ddim"), (VE(), "heun"), (EDM(), "unipc")]
)
def test_the_last_step_gives_the_estimate_itself(process, name):
    plan = SAMPLERS[name]().plan(process, GRIDS["karras"]()(process, 5))
    last = plan.stages[-1]
    x, D = 3.7 * last.alpha, 0.4
    entry = x - last.alpha * D if SAMPLERS[name].uses_residuals else D
    assert float(last.keep) * x + last.weights[0] * entry == pytest.approx(D, abs=1e-13)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0.5], "2 or more"),
        ([0.2, 0.5, 0.0], "must fall"),
        ([1.5, 0.5, 0.0], "must lie in"),
        ([0.5, 0.0005, 0.0], "must lie in"),
        ([0.5, float("nan"), 0.0], "must lie in"),
    ],
)
def test_times_that_cannot_be_used_are_refused(times, message):
    with pytest.raises(ClarionError, match=message):
        noise_levels(VPLinear(), torch.tensor(times, dtype=torch.float64))
