"""Averages of weights against explicit sums, integrals and averages tracked directly."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from clarion.base.errors import CheckpointError, ClarionError
from clarion.run.averages import gamma_of, profile_product, reconstruct_ema, solve_profile
from clarion.run.folder import write_description
from clarion.run.model import Model
from clarion.train.checkpoint import TrainState, save_checkpoint
from clarion.train.ema import EMA

WIDTHS = (0.05, 0.1)


class Point(nn.Module):
    """A network of one parameter, in float64, and one buffer."""

    def __init__(self, size=5):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size, dtype=torch.float64))
        self.register_buffer("frequencies", torch.arange(2.0))


def path(num_steps, size=5):
    """Weights that settle while they jitter, as those of a training do; (num_steps, size)."""
    generator = torch.Generator().manual_seed(0)
    jitter = torch.randn(num_steps, size, dtype=torch.float64, generator=generator)
    t = torch.linspace(0, 1, num_steps, dtype=torch.float64)[:, None]
    return torch.arange(1, size + 1) * (1 - torch.exp(-3 * t)) + 0.3 * jitter


@pytest.mark.parametrize("sigma_rel", [0.01, 0.05, 0.1, 0.25])
def test_gamma_gives_the_width(sigma_rel):
    """Karras et al. 2024: the deviation of the density (gamma + 1) x^gamma on [0, 1] itself."""
    gamma = gamma_of(sigma_rel)
    mean, square = (gamma + 1) / (gamma + 2), (gamma + 1) / (gamma + 3)
    assert np.sqrt(square - mean**2) == pytest.approx(sigma_rel, rel=1e-9)
    formula = (gamma + 1) ** 0.5 / (gamma + 2) / (gamma + 3) ** 0.5
    assert formula == pytest.approx(sigma_rel, rel=1e-9)


@pytest.mark.parametrize("sigma_rel", [0.0, -0.1, 0.26, float("nan")])
def test_widths_that_cannot_be(sigma_rel):
    with pytest.raises(ClarionError, match="sigma_rel must be in"):
        gamma_of(sigma_rel)


def track(weights, widths):
    """The averages after each step, (num_steps, widths, size)."""
    network = Point(weights.shape[1])
    ema, tracked = EMA(network, widths), []
    for step, value in enumerate(weights, 1):
        network.weight.data.copy_(value)
        ema.update(step)
        tracked.append(torch.stack([a["weight"].clone() for a in ema.averages]))
    return ema, torch.stack(tracked)


def test_the_recursion_is_the_sum_over_all_steps_with_the_profile_integrated():
    """Step k weighs the integral from k - 1 to k of the profile, a power of k less one of k - 1."""
    weights = path(40)
    _, tracked = track(weights, (0.05, 0.2))
    for column, sigma_rel in enumerate((0.05, 0.2)):
        power = gamma_of(sigma_rel) + 1
        for t in (1, 2, 17, 40):
            k = torch.arange(1, t + 1, dtype=torch.float64)
            share = (k / t) ** power - ((k - 1) / t) ** power
            assert share.sum() == pytest.approx(1, abs=1e-12)
            expected = (share[:, None] * weights[:t]).sum(0)
            torch.testing.assert_close(tracked[t - 1, column], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("ends", [(1.0, 1.0), (0.3, 1.0), (2.0, 0.7)])
def test_products_of_profiles_against_quadrature(ends):
    """Gauss-Legendre with 200 points integrates powers below 400 exactly, up to rounding."""
    gammas = gamma_of(0.05), gamma_of(0.1)
    nodes, quadrature = np.polynomial.legendre.leggauss(200)
    for a, b in ((0, 1), (1, 0), (0, 0)):
        last = min(ends)
        tau = (nodes + 1) / 2 * last
        profiles = [
            (g + 1) / t * (tau / t) ** g for g, t in zip((gammas[a], gammas[b]), ends, strict=True)
        ]
        expected = (quadrature * profiles[0] * profiles[1]).sum() * last / 2
        pair = (np.array(gammas[a]), np.array(ends[0]), np.array(gammas[b]), np.array(ends[1]))
        assert profile_product(*pair) == pytest.approx(expected, rel=1e-9)


def test_a_stored_average_is_reconstructed_as_itself():
    stored = [(width, step) for step in (100, 200, 300) for width in WIDTHS]
    weights, _ = solve_profile(stored, 0.1, 200)
    np.testing.assert_allclose(weights, np.eye(6)[3], rtol=0, atol=1e-8)


@pytest.mark.parametrize(("sigma_rel", "step"), [(0.07, 2000), (0.07, 1000), (0.15, 2000)])
def test_another_width_is_reconstructed_from_snapshots(sigma_rel, step):
    """Against that average tracked directly; 2 % of what the two stored ones differ by.

    Karras et al. 2024, figure 5, find the same order of error with twenty snapshots.
    """
    _, tracked = track(path(2000), (*WIDTHS, sigma_rel))
    stored = [(width, t) for t in range(100, step + 1, 100) for width in WIDTHS]
    weights, _ = solve_profile(stored, sigma_rel, step)
    snapshots = torch.stack([tracked[t - 1, WIDTHS.index(width)] for width, t in stored])
    actual = (torch.from_numpy(weights)[:, None] * snapshots).sum(0)
    between = (tracked[step - 1, 0] - tracked[step - 1, 1]).norm()
    error = (actual - tracked[step - 1, 2]).norm()
    assert (tracked[step - 1, 2] - tracked[step - 1, 0]).norm() > 0.2 * between
    assert error < 0.02 * between


def test_reconstruction_from_the_files_of_a_run(make_trainer):
    """The combination of averages kept in memory meanwhile, by the weights tested above."""
    trainer = make_trainer("run", num_steps=12, checkpoint_every=3, report_every=3)
    kept = {}

    def keep(report):
        if "loss" not in report:
            return
        for width, average in zip(WIDTHS, trainer.ema.averages, strict=True):
            kept[width, report["step"]] = {k: v.double() for k, v in average.items()}

    trainer.train(keep)
    for last in (12, 9):
        stored = [key for key in kept if key[1] <= last]
        assert len(stored) == 2 * last / 3
        weights, _ = solve_profile(stored, 0.07, last)
        actual = reconstruct_ema(trainer.run, 0.07, last)
        assert actual.keys() == dict(trainer.network.named_parameters()).keys()
        for name, tensor in actual.items():
            parts = [w * kept[key][name] for w, key in zip(weights, stored, strict=True)]
            torch.testing.assert_close(tensor, sum(parts).float(), rtol=0, atol=1e-6)
    final, own = reconstruct_ema(trainer.run, 0.05), trainer.ema.averages[0]
    for name, tensor in final.items():
        torch.testing.assert_close(tensor, own[name], rtol=0, atol=1e-6)
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 8\. Stored: 3, 6, 9, 12"):
        reconstruct_ema(trainer.run, 0.07, step=8)
    with pytest.raises(CheckpointError, match=r"no checkpoint to average\. Stored: none"):
        reconstruct_ema(trainer.run.parent, 0.07)


@pytest.mark.parametrize("steps", [[1000], [500, 1000], range(500, 8501, 500)])
@pytest.mark.parametrize("sigma_rel", [0.02, 0.07, 0.2, 0.25])
def test_weights_that_never_moved_come_back_whatever_is_stored(steps, sigma_rel):
    """An average of equal weights is those weights, however poorly the profile is met."""
    stored = [(width, step) for step in steps for width in WIDTHS]
    weights, _ = solve_profile(stored, sigma_rel, steps[-1])
    assert weights.sum() == pytest.approx(1, abs=1e-9)


def test_buffers_are_taken_as_they_are_and_averages_come_back():
    ema, _ = track(path(7), WIDTHS)
    state = ema.state_dict(1)
    assert set(state) == {"weight", "frequencies"}
    assert torch.equal(state["weight"], ema.averages[1]["weight"])
    fresh = EMA(Point(), WIDTHS)
    fresh.load({name: tensor.clone() for name, tensor in ema.tensors().items()})
    assert torch.equal(fresh.state_dict(1)["weight"], state["weight"])
    Point().load_state_dict(state)


def test_the_error_of_a_profile_is_that_of_its_integral():
    stored, sigma_rel, step = [(0.05, 60), (0.1, 60), (0.05, 100), (0.1, 100)], 0.2, 100
    weights, error = solve_profile(stored, sigma_rel, step)
    tau = (np.arange(200_000) + 0.5) / 2000  # midpoints of (0, 100)

    def profile(width, end):
        gamma = gamma_of(width)
        return np.where(tau < end, (gamma + 1) / end * (tau / end) ** gamma, 0.0)

    wanted = profile(sigma_rel, step)
    rest = wanted - sum(w * profile(*s) for w, s in zip(weights, stored, strict=True))
    expected = math.sqrt((rest**2).sum() / (wanted**2).sum())
    assert error == pytest.approx(expected, rel=1e-3)  # of the midpoint rule at the jumps


def test_a_width_out_of_reach_is_refused(tmp_path):
    network = torch.nn.Linear(1, 1)
    ema = EMA(network, (0.05, 0.1))
    for step in range(1, 11):
        ema.update(step)
    state = TrainState(10, "float32", ema.widths, 1)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.zeros(1, 1)).sum().backward()
    optimizer.step()
    save_checkpoint(tmp_path, state, network, ema, optimizer, 2)
    assert reconstruct_ema(tmp_path, 0.07)
    with pytest.raises(CheckpointError, match=r"width 0\.25 cannot be made.*0\.05, 0\.1"):
        reconstruct_ema(tmp_path, 0.25)


def test_a_model_is_loaded_from_any_checkpoint_and_of_any_width(make_trainer):
    trainer = make_trainer("run", num_steps=6, checkpoint_every=3)
    trainer.train(lambda report: None)
    run, config = trainer.run, trainer.config.of_examples(trainer.examples, trainer.codec)
    write_description(run, config, trainer.codec)

    def weights(path, **settings):
        return dict(Model.load(path, **settings).denoiser.network.named_parameters())

    def assert_equal(actual, expected):
        assert actual.keys() == expected.keys()
        for name, tensor in actual.items():
            torch.testing.assert_close(tensor, expected[name], rtol=0, atol=1e-6)

    for path, settings in ((f"{run}@3", {}), (run, {"step": 3})):
        assert_equal(weights(path, **settings), reconstruct_ema(run, WIDTHS[0], 3))
    assert_equal(weights(run, ema_width=0.08), reconstruct_ema(run, 0.08))
    assert_equal(weights(run, step=6), weights(run))
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 4\. Stored: 3, 6"):
        Model.load(f"{run}@4")
