"""Adaptive guidance: who needs it, and what is saved."""

from pathlib import Path

import pytest
import torch

import clarion
from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.denoise import Visit
from clarion.guide import CFG, Adaptive
from clarion.process import EDM, Flow, VPCosine
from clarion.sample import sample
from clarion.verify.targets import TARGETS

SPEC = {"label": ClassEntry(2)}
X = torch.linspace(-2, 2, 10, dtype=torch.float64).reshape(5, 2)
T = torch.full((5,), 0.5, dtype=torch.float64)
CONDITION = encode_condition(SPEC, {"label": 0}, 5, {"label": [1, 1, None, None, 1]})
DENOISER = TARGETS["classes"].denoiser(Flow())
ABSENT = DENOISER(X, T, CONDITION.negative)
OWN = DENOISER(X, T, CONDITION)
COSINES = torch.cosine_similarity(ABSENT.mean, OWN.mean, dim=1)
GAMMA = float(COSINES.sort().values[1:3].mean())  # two of the five lie below
GUIDED = ABSENT.mean + 3 * (OWN.mean - ABSENT.mean)
SAME = {"rtol": 0, "atol": 1e-12}


def passes(stop, rows=slice(None)):
    before = DENOISER.num_evaluations
    mean = stop(X[rows], T[rows], CONDITION.rows(rows)).mean
    return mean, DENOISER.num_evaluations - before


def test_a_sample_is_guided_until_its_predictions_agree():
    guided, memory = Adaptive(3.0, GAMMA)(DENOISER), {}
    first, spent = passes(guided.at(Visit(0.5, memory=memory)))
    torch.testing.assert_close(first, GUIDED, **SAME)
    assert spent == 10
    needs = (COSINES <= GAMMA).unsqueeze(1)
    for _ in range(2):
        later, spent = passes(guided.at(Visit(0.5, memory=memory)))
        torch.testing.assert_close(later, torch.where(needs, GUIDED, OWN.mean), **SAME)
        assert spent == 5 + 2


def test_where_all_agree_one_pass_is_left():
    guided, memory = Adaptive(3.0, -1.0)(DENOISER), {}
    assert passes(guided.at(Visit(0.5, memory=memory)))[1] == 10
    mean, spent = passes(guided.at(Visit(0.5, memory=memory)))
    torch.testing.assert_close(mean, OWN.mean, **SAME)
    assert spent == 5


def test_a_new_run_and_a_call_without_one_start_afresh():
    guided = Adaptive(3.0, -1.0)(DENOISER)
    for stop in (guided.at(Visit(0.5)), guided.at(Visit(0.5)), guided, guided):
        mean, spent = passes(stop)
        torch.testing.assert_close(mean, GUIDED, **SAME)
        assert spent == 10


def test_no_sample_depends_on_the_others():
    guided, memory = Adaptive(3.0, GAMMA)(DENOISER), {}
    passes(guided.at(Visit(0.5, memory=memory)))
    together = passes(guided.at(Visit(0.5, memory=memory)))[0]
    for i in range(5):
        row, own = slice(i, i + 1), {}
        passes(guided.at(Visit(0.5, memory=own)), row)
        alone = passes(guided.at(Visit(0.5, memory=own)), row)[0]
        torch.testing.assert_close(alone, together[row], **SAME)


def draw(rule, condition=CONDITION):
    before = DENOISER.num_evaluations
    x = sample(rule(DENOISER), (2,), n=5, condition=condition, num_steps=10, dtype=torch.float64)
    return x, DENOISER.num_evaluations - before


def test_samples_with_gamma_one_are_those_of_cfg_and_with_less_cost_less():
    expected, full = draw(CFG(3.0))
    actual, spent = draw(Adaptive(3.0, 1.0))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)
    assert spent == full == 100
    some, spent = draw(Adaptive(3.0, 0.9))
    assert 50 < spent < 100
    again, spent_again = draw(Adaptive(3.0, 0.9))
    assert torch.equal(again, some)
    assert spent_again == spent


@pytest.mark.parametrize("process", [EDM(), VPCosine(), Flow()])
def test_it_guides_while_there_is_much_noise_and_rests_where_there_is_little(process):
    """The classes are some 3 apart: far above that level nothing tells them apart, far below all.

    In two dimensions a few of the 200 pairs of estimates point the same way by chance.
    """
    denoiser, rows = TARGETS["classes"].denoiser(process), 200
    guided, memory = Adaptive(3.0)(denoiser), {}
    condition = encode_condition(SPEC, {"label": [0, 1] * (rows // 2)}, rows)
    generator = torch.Generator().manual_seed(1)
    x0 = TARGETS["class_0"].draw(rows, generator)
    noise = torch.randn(x0.shape, dtype=torch.float64, generator=generator)
    levels = torch.tensor([50.0, 20.0, 8.0, 3.0, 0.05, 0.04], dtype=torch.float64)
    spent = []
    for time in process.time_of_noise_level(levels):
        t, before = time.expand(rows), denoiser.num_evaluations
        guided.at(Visit(float(time), memory=memory))(process.perturb(x0, t, noise), t, condition)
        spent.append(denoiser.num_evaluations - before)
    assert min(spent[:5]) > 0.95 * 2 * rows
    assert spent[5] == rows


@pytest.mark.parametrize(
    ("sampler", "num_steps", "evaluations"), [("dpmpp_2m", 12, 18.9), ("ddim", 20, 30.4)]
)
def test_of_garments_it_saves_a_fifth_and_hardly_changes_the_picture(
    sampler, num_steps, evaluations
):
    """CFG asks 2 num_steps times. Measured of 20 garments: see `evaluations`, and a distance of
    0.18 times that between CFG and no guidance."""
    model = clarion.load(Path(__file__).parents[3] / "models" / "fashion")

    def draw_garments(rule):
        before = model.denoiser.num_evaluations
        settings = {"sampler": sampler, "num_steps": num_steps}
        x = model.sample(5, condition={"label": [0, 2, 4, 6, 8]}, guidance=rule, **settings)
        return x, (model.denoiser.num_evaluations - before) / 5

    plain, full, some = map(draw_garments, ("cfg:1", "cfg:3", "adaptive:3"))
    assert full[1] == 2 * num_steps
    assert abs(some[1] - evaluations) < 1  # of five garments, and other processors round otherwise
    assert (some[0] - full[0]).norm() < 0.3 * (plain[0] - full[0]).norm()


def test_scale_one_and_zero():
    for scale, expected in ((1.0, OWN), (0.0, ABSENT)):
        for guided in (Adaptive(scale)(DENOISER), Adaptive(scale)(DENOISER).at(Visit(0.5))):
            torch.testing.assert_close(passes(guided)[0], expected.mean, **SAME)
    assert Adaptive(1.0)(DENOISER).at(Visit(0.5)) is DENOISER


def test_terms_are_added_up_for_the_rows_that_are_left():
    condition = encode_condition(SPEC, [({"label": 0}, 0.7), ({"label": 1}, 0.6)], 5)
    guided, memory = Adaptive(3.0, GAMMA)(DENOISER), {"rows": torch.tensor([1, 4])}
    stop = guided.at(Visit(0.5))
    stop.visit.memory.update(memory)
    actual = stop(X, T, condition).mean
    plain = [DENOISER(X, T, encode_condition(SPEC, {"label": c}, 5)).mean for c in (0, 1)]
    free = DENOISER(X, T).mean
    own = 0.7 * plain[0] + 0.6 * plain[1] - 0.3 * free
    absent = free + 3 * (own - free)
    expected = own.clone()
    expected[[1, 4]] = absent[[1, 4]]
    torch.testing.assert_close(actual, expected, **SAME)


def test_bad_settings():
    with pytest.raises(ClarionError, match=r"gamma must be a finite number in \[-1, 1\], got 1\.5"):
        Adaptive(3.0, 1.5)
    with pytest.raises(ClarionError, match="needs a condition to steer towards; got none"):
        Adaptive(3.0)(DENOISER)(X, T)
