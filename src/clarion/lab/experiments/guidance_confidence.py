"""What guidance buys and what it costs: confidence up, entropy down, and at last a split mode."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from clarion.base.chart import Chart, Series
from clarion.base.condition import ClassEntry, Condition, ConditionSpec, encode_condition
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.exact import MixtureDenoiser
from clarion.denoise.exact.mixture import LABEL
from clarion.guide.contrast.cfg import CFG
from clarion.lab.experiment import Experiment, Outcome
from clarion.lab.quantiles import centre_share, entropy, normal_quantiles
from clarion.lab.training import train_denoiser
from clarion.lab.trajectory import trajectory
from clarion.process import VPCosine
from clarion.process.grids import Grid, LogSNRUniform, Trailing
from clarion.sample.ancestral import DDPMSampler
from clarion.sample.exponential import DPMpp2MSampler
from clarion.sample.sampler import AffineSampler
from clarion.verify.finding import Finding

LOW, MIDDLE, HIGH = 0, 1, 2
"""The classes."""

MODERATE = 8.0
"""Guidance multiplies a network's errors too: beyond this scale it is shown, and held to less."""

FINE = LogSNRUniform(sigma_max=200.0, sigma_min=0.02)
"""From where the classes are the same to where nothing is left to decide."""

SPEC: ConditionSpec = {LABEL: ClassEntry(3, dropout=0.2)}
"""In training the class is hidden from one sample in five."""


def three_classes() -> MixtureDenoiser:
    """Exact denoiser of N(-2, 1), N(0, 1) and N(2, 1), each a class, all equally frequent."""
    means = [[-2.0], [0.0], [2.0]]
    return MixtureDenoiser(VPCosine(), [1 / 3] * 3, means, 1.0, [LOW, MIDDLE, HIGH])


def centre_growth(exact: MixtureDenoiser, scale: float) -> float:
    """log of (p(c | 0) / p(c))^(s - 1): how the density at the centre of the middle class grows."""
    centre = torch.zeros(1, 1, dtype=torch.float64)
    posterior = float(exact.class_posterior(centre, torch.tensor(0.0))[0, MIDDLE])
    return (scale - 1) * math.log(posterior / float(exact.log_weights[MIDDLE].exp()))


@dataclass(frozen=True)
class GuidanceConfidence(Experiment):
    """Three classes N(-2, 1), N(0, 1), N(2, 1) in a row; the last or the middle one is asked for.

    With noise of variance v on y = x_t / alpha, guidance adds (s - 1) / 2 grad log p(c | y) to the
    velocity of the flow, and twice that to the drift of the reverse SDE.

    - It pushes towards the class. So x(s) from the same noise lies further on its side the greater
      s (comparison of differential equations), and p(c | x) rises along every single path.
    - For components of equal variance log p(c | y) is concave. So guidance only ever contracts, and
      the entropy of the flow's samples falls.
    - At the centre y = 0 of the middle class d/dv log p(c | y) = (d/dy)^2 log p(c | y) / 2 by the
      heat equation, so that the contraction integrates to a closed form: the density there is

          p(0 | c) (p(c | 0) / p(c))^(s - 1).

    Whether strong guidance splits the middle class is then a question of the rest of it, and of the
    sampler. In the flow the centre is observed to stay the fullest place at every scale; steps that
    are too long for the scale overshoot it to either side, and split the class.

    Starting points are quantiles of the noise, so that averages over samples of the flow, and their
    entropy, come without Monte Carlo.

    Args:
        scales: guidance scales, from 1, the plain conditional model.
        num_points: starting points.
        num_steps: steps of `dpmpp_2m` that stand for the flow itself.
        few_steps: steps of `dpmpp_2m` on its own grid that are too few for the greatest scale.
        train_steps: optimiser steps of the network.
        seed: of the network and of DDPM's noise.
    """

    title: ClassVar[str] = "Confidence and diversity under guidance"
    prediction: ClassVar[str] = (
        "The scale raises p(c | x) and lowers the entropy of the samples; strong guidance can "
        "split a mode in two."
    )
    source: ClassVar[str] = (
        "Wu, Chen, Li, Wang & Wei 2024, arXiv 2403.01639, sections 3 to 6; the density at the "
        "centre is derived here."
    )
    reading: ClassVar[str] = (
        "Confidence is bought with diversity as soon as the scale leaves 1; a trained network pays "
        "what theory says at small scales, while at large ones guidance multiplies its errors and "
        "its width is no longer predicted. With few steps a large scale overshoots and tears apart "
        "a mode that the flow would only contract: raise the steps with the scale, or lower the "
        "scale."
    )

    scales: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 4.0, 8.0, 12.0, 16.0, 24.0)
    num_points: int = 801
    num_steps: int = 150
    few_steps: int = 12
    train_steps: int = 2000
    seed: int = 0

    def run(self) -> Outcome:
        exact = three_classes()
        network = self._train(exact)
        flow = self._guided(exact, HIGH)
        sde = self._guided(exact, HIGH, DDPMSampler())
        trained = self._guided(network, HIGH)
        middle = self._guided(exact, MIDDLE)
        few = self._guided(exact, MIDDLE, grid=Trailing(), num_steps=self.few_steps)
        findings = [
            _least_change("flow", "p(c | x) along a path", _confidence(exact, flow)),
            _least_change("DDPM", "p(c | x) along a path", _confidence(exact, sde)),
            self._entropy_falls("flow", flow),
            self._centre_finding(exact, middle),
            *self._trained_findings(exact, trained, flow),
            *self._split_findings(middle, few),
        ]
        return Outcome(findings, self._chart(exact, flow, trained, middle, few))

    def _train(self, exact: MixtureDenoiser) -> Denoiser:
        def draw(n: int, generator: torch.Generator) -> tuple[Tensor, Condition]:
            labels = exact.sample_labels(n, generator)
            condition = encode_condition(SPEC, {LABEL: labels}, n)
            return exact.sample(n, generator, condition), condition

        return train_denoiser(draw, SPEC, exact.process, num_steps=self.train_steps, seed=self.seed)

    def _guided(
        self,
        denoiser: Denoiser,
        label: int,
        sampler: AffineSampler = DPMpp2MSampler(),  # noqa: B008, frozen
        grid: Grid = FINE,
        num_steps: int | None = None,
    ) -> Tensor:
        """What becomes of the quantiles of the noise at each scale, (scales, num_points)."""
        times = grid(denoiser.process, num_steps or self.num_steps)
        start = normal_quantiles(self.num_points)[:, None]
        condition = encode_condition(SPEC, {LABEL: label}, self.num_points)
        ends = []
        for scale in self.scales:
            *_, (_, x) = trajectory(
                CFG(scale)(denoiser),
                start,
                sampler=sampler,
                times=times,
                condition=condition,
                seed=self.seed,
            )
            ends.append(x[:, 0])
        return torch.stack(ends)

    def _entropies(self, samples: Tensor) -> list[float]:
        z = normal_quantiles(self.num_points)
        return [entropy(x, z) for x in samples]

    def _entropy_falls(self, name: str, samples: Tensor) -> Finding:
        return Finding(
            name,
            "change of the entropy from one scale to the next, the greatest",
            max(later - earlier for earlier, later in pairwise(self._entropies(samples))),
            high=0.0,
            unit="nats",
        )

    def _centre_finding(self, exact: MixtureDenoiser, middle: Tensor) -> Finding:
        number = self._nearest(MODERATE)
        z = normal_quantiles(self.num_points)
        # The density is that of z over dx/dz, and the middle class has itself that of z.
        stretch = torch.gradient(middle[number], spacing=(z,))[0][self.num_points // 2]
        return Finding(
            "flow",
            "growth of the log density at the centre of the middle class",
            -float(stretch.log()) / centre_growth(exact, self.scales[number]),
            # The steps are of 0.06 in the log noise level and of order 2: a few times 0.06².
            0.98,
            1.02,
            setting=f"scale {self.scales[number]:g}",
            unit="of the closed form",
        )

    def _trained_findings(
        self, exact: MixtureDenoiser, trained: Tensor, flow: Tensor
    ) -> list[Finding]:
        name, moderate, small = "trained network", self._nearest(MODERATE), self._nearest(2.0)
        mean = _confidence(exact, trained).mean(1, keepdim=True)
        distance = (mean - _confidence(exact, flow).mean(1, keepdim=True)).abs()
        entropies = self._entropies(trained)[small], self._entropies(flow)[small]
        return [
            _least_change(
                name, "E p(c | x)", mean[: moderate + 1], f"up to scale {self.scales[moderate]:g}"
            ),
            Finding(
                name,
                "distance of E p(c | x) to that of the flow, the greatest",
                float(distance.max()),
                high=0.03,
            ),
            self._entropy_falls(name, trained),
            Finding(
                name,
                "distance of the entropy to that of the flow",
                abs(entropies[0] - entropies[1]),
                high=0.2,
                setting=f"scale {self.scales[small]:g}",
                unit="nats",
            ),
        ]

    def _split_findings(self, middle: Tensor, few: Tensor) -> list[Finding]:
        what = "middle class: samples at its centre, over those in the fullest place"
        at_greatest = f"scale {self.scales[-1]:g}"
        return [
            Finding("flow", what, min(map(centre_share, middle)), low=0.9, setting="every scale"),
            Finding(
                f"{self.few_steps} steps",
                what,
                centre_share(few[-1]),
                high=0.5,
                setting=at_greatest,
            ),
        ]

    def _nearest(self, scale: float) -> int:
        """The number of the scale that comes nearest."""
        return min(range(len(self.scales)), key=lambda i: abs(self.scales[i] - scale))

    def _chart(
        self, exact: MixtureDenoiser, flow: Tensor, trained: Tensor, middle: Tensor, few: Tensor
    ) -> Chart:
        z = normal_quantiles(self.num_points)
        full = entropy(z, z)  # of the class itself, whose deviation is 1
        confidence = [_confidence(exact, x).mean(1).tolist() for x in (flow, trained)]
        width = [[math.exp(h - full) for h in self._entropies(x)] for x in (flow, trained)]
        deviation = [x.std(1).tolist() for x in (middle, few)]
        at = self.scales
        series = [
            Series("confidence E p(c | x), flow", at, confidence[0], "predicted", 0),
            Series("width e^H of the class, flow", at, width[0], "predicted", 1),
            Series("deviation in the middle class, flow", at, deviation[0], "predicted", 2),
            Series("trained network", at, confidence[1], hue=0),
            Series("trained network", at, width[1], hue=1),
            Series(f"{self.few_steps} steps", at, deviation[1], hue=2),
        ]
        return Chart(
            self.title,
            "guidance scale s",
            "confidence; width (data: 1)",
            series,
            log_x=True,
            legend_below=True,
        )


def _confidence(exact: MixtureDenoiser, samples: Tensor) -> Tensor:
    """p(c | x) of the last class, (scales, points)."""
    posterior = exact.class_posterior(samples.reshape(-1, 1), torch.tensor(0.0))
    return posterior[:, HIGH].reshape(samples.shape)


def _least_change(name: str, what: str, values: Tensor, setting: str = "") -> Finding:
    """Of (scales, points), which must not fall from one scale to the next."""
    change = float(values.diff(dim=0).min())
    return Finding(
        name,
        f"change of {what} from one scale to the next, the least",
        change,
        0.0,
        setting=setting,
    )
