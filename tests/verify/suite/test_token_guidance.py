"""Rules of tokens give what they promise; and what does not is found out."""

import pytest
import torch

from clarion.denoise.estimate import TokenEstimate
from clarion.guide import CFG, Autoguidance
from clarion.guide.tables import TOKEN_GUIDANCE
from clarion.guide.tokens import Infill, TokenClassifierGuidance, TokenReward
from clarion.verify.suite import examine
from clarion.verify.suite.token_guidance import examine_token_guidance

LAW = "distance from the law, over that in twice as many steps"
LIMIT = "distance in the limit of small steps"


def failing(report):
    return {finding.what for finding in report.failures}


@pytest.mark.parametrize("name", list(TOKEN_GUIDANCE))
def test_every_property_holds(name):
    (report,) = examine([f"token_guidance/{name}"])
    assert report.passed, str(report)


class WrongSign(TokenClassifierGuidance):
    """Away from the label."""

    def steer(self, denoiser, x_t, t, condition, visit):
        estimate = super().steer(denoiser, x_t, t, condition, visit)
        return TokenEstimate(estimate.logits, -estimate.tilt)


class WithoutHere(TokenClassifierGuidance):
    """log p(label | neighbour), with nothing subtracted: staying is then too likely."""

    def _gain_by_all(self, process, x_t, t, label):
        return super()._gain_by_all(process, x_t, t, label) - 0.5 * (
            torch.nn.functional.one_hot(x_t, process.num_states) == 0
        )


class OfProbabilities(CFG):
    """Probabilities are extrapolated, and not their logarithms."""

    def combine(self, worse, better, x_t, t, visit):
        mean = torch.lerp(worse.mean, better.mean, self.guidance_scale)
        return TokenEstimate.of_probabilities(mean.clamp(min=1e-30))


class AsksTheWeakOne(Autoguidance):
    """The models have changed places."""

    def estimates(self, denoiser, x_t, t, condition):
        return super().estimates(denoiser, x_t, t, condition)[::-1]


class TiltsProbabilities(TokenReward):
    """The slope is added to probabilities, and not to their logarithms."""

    def steer(self, denoiser, x_t, t, condition, visit):
        plain, steered = denoiser(x_t, t), super().steer(denoiser, x_t, t, condition, visit)
        slope = steered.logits - plain.logits
        return TokenEstimate.of_probabilities((plain.mean * (1 + slope)).clamp(min=1e-9))


class ShowsWithoutKeeping(Infill):
    """The known token is drawn like the others."""

    def steer(self, denoiser, x_t, t, condition, visit):
        return denoiser(x_t, t, condition)


@pytest.mark.parametrize(
    ("name", "rule", "properties"),
    [
        ("classifier", WrongSign, {"error of the tilts", LAW, LIMIT}),
        ("classifier", WithoutHere, {"error of the tilts", LIMIT}),
        ("cfg", OfProbabilities, {"error of the probabilities"}),
        ("auto", AsksTheWeakOne, {"error of the probabilities"}),
        ("reward", TiltsProbabilities, {"error of the probabilities"}),
        ("infill", ShowsWithoutKeeping, {LAW, LIMIT, "distance from the law"}),
    ],
)
def test_a_faulty_rule_is_caught(name, rule, properties):
    assert properties <= failing(examine_token_guidance(name, rule))
