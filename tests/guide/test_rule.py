"""Rules within rules: what a rule refuses to be put round."""

import pytest
import torch

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.guide import APG, CFG, Adaptive, Autoguidance, Clip
from clarion.process import EDM
from clarion.sample import sample
from clarion.verify.targets import TARGETS

DENOISER = TARGETS["classes"].denoiser(EDM())
CONDITION = encode_condition({"label": ClassEntry(2)}, {"label": [0, 1, 0]}, 3)
MOMENTUM = APG(4.0, momentum=-0.5)


def draw(*rules):
    """Samples under several rules, the first innermost."""
    denoiser = DENOISER
    for rule in rules:
        denoiser = rule(denoiser)
    settings = {"n": 3, "condition": CONDITION, "num_steps": 10, "dtype": torch.float64}
    return sample(denoiser, (2,), **settings)


@pytest.mark.parametrize(
    ("within", "round_it"),
    [
        (MOMENTUM, CFG(2.0, t_low=0.2, t_high=0.7)),  # its memory would change its size on the way
        (MOMENTUM, CFG(2.0)),
        (Adaptive(3.0), CFG(2.0, schedule="linear")),
        (APG(4.0, momentum=-0.5, t_high=0.5), CFG(2.0, t_low=0.5)),  # both act at 0.5
    ],
)
def test_a_rule_that_remembers_is_refused_within_one_that_asks_for_other_rows(within, round_it):
    message = (
        rf"{type(within).__name__} remembers each row .* CFG round it .* name it last, leave one"
    )
    with pytest.raises(ClarionError, match=message) as info:
        draw(within, Clip(-9.0, 9.0), round_it)
    assert "\n" not in str(info.value)


def test_of_two_that_remember_neither_can_be_last():
    with pytest.raises(
        ClarionError, match=r"Adaptive round it asks for other rows: leave one of them out"
    ):
        draw(Adaptive(3.0), Adaptive(2.0))


@pytest.mark.parametrize(
    "rules",
    [
        (CFG(2.0), MOMENTUM),
        (CFG(2.0, t_low=0.2, t_high=0.7), Adaptive(3.0)),
        (MOMENTUM, Autoguidance(1.5, DENOISER)),
        (MOMENTUM, Clip(-9.0, 9.0)),
        (APG(4.0, momentum=-0.5, t_low=0.5), CFG(2.0, t_high=0.4)),
        (APG(4.0), CFG(2.0, t_low=0.2, t_high=0.7)),
    ],
)
def test_others_work_together_row_by_row(rules):
    """Against each sample by itself, which no other row can disturb."""
    together = draw(*rules)
    denoiser = DENOISER
    for rule in rules:
        denoiser = rule(denoiser)
    for i in range(3):
        alone = sample(
            denoiser,
            (2,),
            indices=[i],
            condition=CONDITION.rows(slice(i, i + 1)),
            num_steps=10,
            dtype=torch.float64,
        )
        torch.testing.assert_close(alone, together[i : i + 1], rtol=0, atol=1e-9)
