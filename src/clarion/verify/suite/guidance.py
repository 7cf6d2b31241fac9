"""Guidance rules: their score against a closed form, row by row, and what they sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise import Visit
from clarion.denoise.estimate import Estimate
from clarion.denoise.exact.mixture import LABEL, MixtureDenoiser
from clarion.guide.contrast.adaptive import Adaptive
from clarion.guide.contrast.apg import APG
from clarion.guide.contrast.autoguidance import Autoguidance
from clarion.guide.contrast.cfg import CFG
from clarion.guide.contrast.cfgpp import CFGPlusPlus
from clarion.guide.contrast.rescale import Rescale
from clarion.guide.contrast.zero_star import CFGZero
from clarion.guide.gradient.classifier import ClassifierGuidance
from clarion.guide.gradient.reward import Reward
from clarion.guide.inpaint import Inpaint
from clarion.guide.limit import Clip, DynamicThreshold
from clarion.guide.rule import Guidance
from clarion.process import PROCESSES
from clarion.process.gaussian import GaussianProcess
from clarion.verify.finding import Finding
from clarion.verify.report import Report
from clarion.verify.scores import judge
from clarion.verify.suite.contrast import (
    ScoreOf,
    against_weak,
    best_fit,
    projected,
    rescaled,
    tilted,
    weak_model,
)
from clarion.verify.suite.evidence import draw, moderate_times
from clarion.verify.suite.limits import (
    HIGH,
    KNOWN,
    LOW,
    MASK,
    clipped,
    first_known,
    on_mean,
    shrunk_by_its_largest_value,
)
from clarion.verify.suite.savings import saving_findings
from clarion.verify.suite.slopes import (
    class_model,
    detached_on_mean,
    near_point,
    near_point_slope,
    through,
)
from clarion.verify.targets import TARGETS


@dataclass(frozen=True)
class KnownAnswer:
    """One setting of a rule, and what it must give.

    Args:
        setting: the rule's settings as they are typed.
        rule: the rule; or what makes it for a process, where it holds another model.
        score: its score in closed form.
        samples: name of the target whose distribution its samples have when `class_0` is asked
            for; None where that is no closed form.
        next_level: where the rule must know a step, the noise level to which it goes, as a share
            of the one from which; None where it need not.
    """

    setting: str
    rule: Guidance | Callable[[GaussianProcess], Guidance]
    score: ScoreOf
    samples: str | None = None
    next_level: float | None = None

    def rule_for(self, process: GaussianProcess) -> Guidance:
        """The rule, for data that was noised by this process."""
        return self.rule if isinstance(self.rule, Guidance) else self.rule(process)

    def visit(self, process: GaussianProcess, t: Tensor) -> Visit:
        """A stop at this time, (1,)."""
        if self.next_level is None:
            return Visit(float(t))
        level = self.next_level * process.noise_level(t)
        return Visit(float(t), float(process.time_of_noise_level(level)))


def between(t_low: float, t_high: float, inside: ScoreOf, outside: ScoreOf) -> ScoreOf:
    """One score at times in [t_low, t_high], another one elsewhere."""

    def score(denoiser: MixtureDenoiser, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        arguments = denoiser, x_t, t, condition
        is_inside = ((t >= t_low) & (t <= t_high)).unsqueeze(1)
        return torch.where(is_inside, inside(*arguments), outside(*arguments))

    return score


ENDS_OF_INTERVAL = (0.3, 0.6)
"""Both lie within it."""

KNOWN_ANSWERS: dict[str, Sequence[KnownAnswer]] = {
    "cfg": (
        KnownAnswer("cfg:0", CFG(0.0), tilted(0.0), samples="classes"),
        KnownAnswer("cfg:1", CFG(1.0), tilted(1.0), samples="class_0"),
        KnownAnswer("cfg:3", CFG(3.0), tilted(3.0)),
        KnownAnswer("cfg:-0.5", CFG(-0.5), tilted(-0.5)),
        KnownAnswer(
            "cfg:3@0.3-0.6",
            CFG(3.0, t_low=ENDS_OF_INTERVAL[0], t_high=ENDS_OF_INTERVAL[1]),
            between(*ENDS_OF_INTERVAL, tilted(3.0), tilted(1.0)),
        ),
    ),
    "cfgpp": (
        KnownAnswer("cfgpp:0", CFGPlusPlus(0.0), tilted(0.0), next_level=0.5),
        KnownAnswer("cfgpp:0.6", CFGPlusPlus(0.6), tilted(1.2), next_level=0.5),
    ),
    "apg": (
        KnownAnswer("apg:1", APG(1.0), tilted(1.0)),
        KnownAnswer("apg:3,eta=1", APG(3.0, eta=1.0), tilted(3.0)),
        KnownAnswer("apg:3", APG(3.0), projected(3.0)),
        KnownAnswer("apg:3,0.5,0.2", APG(3.0, 0.5, 0.2), projected(3.0, 0.5, 0.2)),
    ),
    "rescale": (
        KnownAnswer("rescale:3,0", Rescale(3.0, 0.0), tilted(3.0)),
        KnownAnswer("rescale:3,0.7", Rescale(3.0, 0.7), rescaled(3.0, 0.7)),
    ),
    "cfg_zero": (
        KnownAnswer("cfg_zero:1", CFGZero(1.0), tilted(1.0)),
        KnownAnswer("cfg_zero:3", CFGZero(3.0), best_fit(3.0)),
    ),
    "adaptive": (
        KnownAnswer("adaptive:1,gamma=1", Adaptive(1.0, 1.0), tilted(1.0)),
        KnownAnswer("adaptive:3", Adaptive(3.0), tilted(3.0)),
    ),
    "auto": (
        KnownAnswer("auto:0", lambda p: Autoguidance(0.0, weak_model(p)), against_weak(0.0)),
        KnownAnswer(
            "auto:1",
            lambda p: Autoguidance(1.0, weak_model(p)),
            against_weak(1.0),
            samples="class_0",
        ),
        KnownAnswer("auto:1.8", lambda p: Autoguidance(1.8, weak_model(p)), against_weak(1.8)),
    ),
    "reward": (
        KnownAnswer("towards a point:0.3", Reward(near_point, 0.3), through(near_point_slope, 0.3)),
        KnownAnswer(
            "towards a point:0.3,detached,mean",
            Reward(near_point, 0.3, "detached", "mean"),
            detached_on_mean(near_point_slope, 0.3),
        ),
    ),
    "classifier": (
        KnownAnswer(
            "classifier:1",
            lambda p: ClassifierGuidance(1.0, class_model(p)),
            tilted(1.0),
            samples="class_0",
        ),
        KnownAnswer("classifier:3", lambda p: ClassifierGuidance(3.0, class_model(p)), tilted(3.0)),
    ),
    "clip": (KnownAnswer("clip:-0.4:0.6", Clip(LOW, HIGH), on_mean(clipped)),),
    "threshold": (
        KnownAnswer(
            "threshold:-0.4:0.6,percentile=100",
            DynamicThreshold(LOW, HIGH, percentile=100.0),
            on_mean(shrunk_by_its_largest_value),
        ),
    ),
    "inpaint": (KnownAnswer("first value known", Inpaint(KNOWN, MASK), on_mean(first_known)),),
}
"""Name of a rule -> settings of it whose answer is known."""

NUM_POINTS = 64

TOLERANCE = 1e-9
"""Rounding of float64, through densities that differ by a factor of 1e6 at the far points."""


def examine_guidance(
    name: str, rule: type[Guidance], answers: Sequence[KnownAnswer] | None = None
) -> Report:
    """Hold one rule against its closed forms.

    Args:
        name: of the rule.
        rule: its class.
        answers: its known answers; None for those in the table.
    """
    title = f"guidance {name}"
    if answers is None:
        answers = KNOWN_ANSWERS.get(name, ())
    if not answers:
        problem = "its score is in no table of known answers; add it to KNOWN_ANSWERS"
        return Report(title, [Finding(name, "score", float("nan"), problem=problem)])
    findings: list[Finding] = []
    for answer in answers:
        for process_name, cls in PROCESSES.items():
            findings += _score_findings(name, answer, process_name, cls())
            if isinstance(answer.rule, Adaptive) and answer.rule.remembers:
                findings += saving_findings(name, answer.rule, process_name, cls())
        if answer.samples is not None:
            process = PROCESSES["vp_linear"]()
            x = draw(
                TARGETS["class_0"],
                process,
                guidance=answer.rule_for(process),
                sampler="dpmpp_2m",
                num_steps=64,
            )
            findings += judge(name, x, TARGETS[answer.samples], answer.setting)
    return Report(title, findings)


def _score_findings(
    name: str, answer: KnownAnswer, process_name: str, process: GaussianProcess
) -> list[Finding]:
    denoiser, x_t, t, condition = _noisy_points(process)
    guided = answer.rule_for(process)(denoiser)
    rows = [slice(i, i + 1) for i in range(NUM_POINTS)]
    stops = [guided.at(answer.visit(process, t[i])) for i in rows]
    at_times = [
        stop(x_t[i], t[i], condition.rows(i)).mean for stop, i in zip(stops, rows, strict=True)
    ]
    if answer.next_level is None:
        together = guided(x_t, t, condition).mean
        alone = [guided(x_t[row], t[row], condition.rows(row)).mean for row in rows]
    else:  # it can only be asked at a stop, which has one time
        all_at = [answer.rule_for(process)(denoiser).at(answer.visit(process, t[i])) for i in rows]
        together = torch.cat(
            [
                stop(x_t, t[i].expand_as(t), condition).mean[i]
                for stop, i in zip(all_at, rows, strict=True)
            ]
        )
        alone = at_times
    # Compared as predicted noise, sigma times the score, whose size is 1 at any time.
    sigma = process.sigma(t).unsqueeze(1)
    noise = Estimate(together).noise(process, x_t, t)
    expected = -sigma * answer.score(denoiser, x_t, t, condition)
    errors = (
        ("error of the score against its closed form", noise - expected),
        ("effect of the other rows of the batch", torch.cat(alone) - together),
        ("difference between at(t) and the rule itself", torch.cat(at_times) - together),
    )
    setting = f"{answer.setting}, {process_name}"
    return [
        Finding(name, what, float(error.abs().max()), high=TOLERANCE, setting=setting)
        for what, error in errors
    ]


def _noisy_points(
    process: GaussianProcess,
) -> tuple[MixtureDenoiser, Tensor, Tensor, Condition]:
    """A labelled mixture, noisy points of it, their times, and a class asked for at each."""
    target = TARGETS["classes"]
    denoiser = target.denoiser(process)
    assert isinstance(denoiser, MixtureDenoiser), "the target has several components"
    generator = torch.Generator().manual_seed(2)
    t = torch.cat(
        [
            moderate_times(process, NUM_POINTS - 2),
            torch.tensor(ENDS_OF_INTERVAL, dtype=torch.float64),
        ]
    )
    x0 = target.draw(NUM_POINTS, generator)
    noise = torch.randn(x0.shape, dtype=torch.float64, generator=generator)
    label = torch.arange(NUM_POINTS) % 2
    condition = Condition({LABEL: label}, {LABEL: torch.ones(NUM_POINTS, dtype=torch.bool)})
    return denoiser, process.perturb(x0, t, noise), t, condition
