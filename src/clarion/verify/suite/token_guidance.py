"""Guidance of tokens: what a rule makes of every noisy sequence, and the law that is sampled."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from clarion.base.condition import Condition, encode_condition
from clarion.denoise.classifier import NoisyClassifier
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import TokenEstimate
from clarion.denoise.exact.table import TableClassifier, TableDenoiser
from clarion.denoise.exact.tokens import TokenDistribution, markov_chain
from clarion.guide.rule import Guidance
from clarion.process.tokens import Masking, TokenProcess
from clarion.sample.tokens.ancestral import AncestralTokens
from clarion.verify.finding import Finding
from clarion.verify.report import Report
from clarion.verify.suite.evidence import ROUNDING
from clarion.verify.suite.token_samplers import HALVED, LIMIT, NUM_STEPS
from clarion.verify.token_law import (
    CHAIN,
    CLASSES,
    PROCESSES,
    WEIGHTS,
    distance,
    law,
    noisy_sequences,
)

T = 0.4
TOLERANCE = 1e-10
"""Of quotients of probabilities down to 1e-3, in float64."""

Examination = Callable[[str, type], list[Finding]]


def examine_token_guidance(name: str, rule: type[Guidance]) -> Report:
    """Hold one rule against what it promises."""
    title = f"token guidance {name}"
    if name not in KNOWN_ANSWERS:
        problem = "its law is in no table of known answers; add it to KNOWN_ANSWERS"
        return Report(title, [Finding(name, "law", float("nan"), problem=problem)])
    return Report(title, KNOWN_ANSWERS[name](name, rule))


def labelled(process: TokenProcess) -> TableDenoiser:
    """The exact denoiser of two classes."""
    return TableDenoiser(process, CLASSES, WEIGHTS)


def everywhere(process: TokenProcess, label: int) -> tuple[Tensor, Tensor, Condition]:
    """All x_t, one time, and one label."""
    x = noisy_sequences(process)
    asked = encode_condition(labelled(process).condition_spec, {"label": label}, len(x))
    return x, torch.full((len(x),), T, dtype=torch.float64), asked


def _cfg(name: str, rule: type) -> list[Finding]:
    """p proportional to p(x0 | label)^w p(x0)^(1 - w), in each position."""
    findings = []
    for process_name, process in PROCESSES.items():
        denoiser, (x, t, asked) = labelled(process), everywhere(process, 1)
        given, plain = denoiser(x, t, asked).mean, denoiser(x, t, None).mean
        for scale in (0.0, 1.0, 2.5):
            error = rule(scale)(denoiser)(x, t, asked).mean - _between(plain, given, scale)
            findings.append(_error(name, "probabilities", error, f"cfg:{scale:g}, {process_name}"))
    return findings


def _between(start: Tensor, end: Tensor, scale: float) -> Tensor:
    """Probabilities proportional to start^(1 - scale) end^scale."""
    product = (end**scale * start ** (1 - scale)).nan_to_num(0)  # 0 of what is 0 in both
    return product / product.sum(-1, keepdim=True)


def _auto(name: str, rule: type) -> list[Finding]:
    """p proportional to p(x0 | label)^w p_weak(x0 | label)^(1 - w), in each position."""
    blurred = [TokenDistribution((part.probabilities + 1 / 27) / 2) for part in CLASSES]
    findings = []
    for process_name, process in PROCESSES.items():
        denoiser, (x, t, asked) = labelled(process), everywhere(process, 1)
        weak = TableDenoiser(process, blurred, WEIGHTS)
        own, other = denoiser(x, t, asked).mean, weak(x, t, asked).mean
        for scale in (0.0, 1.0, 2.5):
            error = rule(scale, weak)(denoiser)(x, t, asked).mean - _between(other, own, scale)
            findings.append(_error(name, "probabilities", error, f"{scale:g}, {process_name}"))
    return findings


class LogLinear(NoisyClassifier):
    """log p(label | x_t) as a sum over positions, of which a Taylor series has two terms."""

    def __init__(self, process: TokenProcess) -> None:
        super().__init__(process, 2)
        self.num_states = process.num_states
        generator = torch.Generator().manual_seed(0)
        shape = (2, CHAIN.length, process.num_states)
        self.weight = torch.randn(shape, dtype=torch.float64, generator=generator)

    def log_probabilities(self, x_t: Tensor, t: Tensor) -> Tensor:
        if not x_t.is_floating_point():
            x_t = F.one_hot(x_t, self.num_states).double()
        return torch.einsum("bls,yls->by", x_t, self.weight)


def _classifier(name: str, rule: type) -> list[Finding]:
    """Ways are tilted by the classifier's ratio, so that a perfect one gives p(x0 | label)."""
    findings = []
    for process_name, process in PROCESSES.items():
        perfect = TableClassifier(process, CLASSES, WEIGHTS)
        for classifier, how in ((perfect, "exact"), (LogLinear(process), "first_order")):
            setting = f"1.5, {how}, {process_name}"
            error = _tilt_error(rule(1.5, classifier, how), classifier)
            findings.append(_error(name, "tilts", error, setting))
        steered = rule(1.0, perfect)(labelled(process))
        asked = everywhere(process, 0)[2]
        truth = CLASSES[0].probabilities
        findings += _law_findings(name, steered, asked, truth, f"1, exact, {process_name}")
    return findings


def _tilt_error(rule: Guidance, classifier: NoisyClassifier) -> Tensor:
    """Against the classifier's ratios, asked about one neighbour after the other."""
    process = classifier.process
    assert isinstance(process, TokenProcess), "the processes of this chapter"
    x, t, asked = everywhere(process, 1)
    estimate = rule(labelled(process))(x, t, asked)
    assert isinstance(estimate, TokenEstimate), "a token process has token estimates"
    assert estimate.tilt is not None, "the rule tilts"
    expected = torch.zeros_like(estimate.tilt)
    here = classifier(x, t)[:, 1]
    for place in range(CHAIN.length):
        for token in range(process.vocabulary):
            there = x.clone()
            there[:, place] = token
            gain = 1.5 * (classifier(there, t)[:, 1] - here)
            if isinstance(process, Masking):  # what is visible stays
                gain = gain.where(x[:, place] == process.mask, 0.0)
            expected[:, place, token] = gain
    return estimate.tilt - expected


def _reward(name: str, rule: type) -> list[Finding]:
    """Of a reward linear in independent positions, the estimate of the tilted law."""
    first = CHAIN.marginals(0, 1)
    apart = markov_chain(first, first.expand(CHAIN.vocabulary, -1), CHAIN.length)
    generator = torch.Generator().manual_seed(0)
    shape = (CHAIN.length, CHAIN.vocabulary)
    weight = torch.randn(shape, dtype=torch.float64, generator=generator)

    def linear(x0: Tensor, condition: Condition | None) -> Tensor:
        return torch.einsum("bls,ls->b", x0, weight)

    gain = linear(F.one_hot(apart.sequences, apart.vocabulary).double(), None)
    tilted = apart.probabilities * (1.5 * gain).exp().reshape(apart.probabilities.shape)
    truth = TokenDistribution(tilted / tilted.sum())
    findings = []
    for process_name, process in PROCESSES.items():
        x, t, _ = everywhere(process, 0)
        steered = rule(linear, 1.5)(TableDenoiser(process, apart))
        error = steered(x, t).mean - TableDenoiser(process, truth)(x, t).mean
        findings.append(_error(name, "probabilities", error, f"1.5, {process_name}"))
    return findings


def _infill(name: str, rule: type) -> list[Finding]:
    """p(unknown | known): exact where the unknown ones are independent, else in the limit."""
    process, known = Masking(CHAIN.vocabulary), torch.tensor([0, 1, 2])
    findings = []
    for place, where in ((1, "between"), (0, "first")):
        mask = torch.arange(CHAIN.length) == place
        is_known = CHAIN.sequences[:, place] == known[place]
        truth = CHAIN.probabilities * is_known.reshape(CHAIN.probabilities.shape)
        truth = truth / truth.sum()
        steered = rule(known, mask)(TableDenoiser(process, CHAIN))
        if where == "first":
            findings += _law_findings(name, steered, None, truth, "the first is known")
            continue
        off = distance(law(AncestralTokens(), steered, 4), truth)
        what, setting = "distance from the law", "the one in the middle is known, 4 steps"
        findings.append(Finding(name, what, off, high=ROUNDING, setting=setting))
    return findings


def _law_findings(
    name: str, denoiser: Denoiser, asked: Condition | None, truth: Tensor, setting: str
) -> list[Finding]:
    coarse, fine = (law(AncestralTokens(), denoiser, n, asked) for n in NUM_STEPS)
    gain = distance(coarse, truth) / distance(fine, truth)
    limit = distance(2 * fine - coarse, truth)
    what = "distance from the law, over that in twice as many steps"
    return [
        Finding(name, what, gain, *HALVED, setting=setting),
        Finding(name, "distance in the limit of small steps", limit, high=LIMIT, setting=setting),
    ]


def _error(name: str, of: str, error: Tensor, setting: str) -> Finding:
    largest = float(error.abs().max())
    return Finding(name, f"error of the {of}", largest, high=TOLERANCE, setting=setting)


KNOWN_ANSWERS: Mapping[str, Examination] = {
    "cfg": _cfg,
    "auto": _auto,
    "classifier": _classifier,
    "reward": _reward,
    "infill": _infill,
}
"""Name of a rule -> how it is examined."""
