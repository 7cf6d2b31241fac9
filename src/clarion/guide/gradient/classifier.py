"""Guidance by the gradient of a classifier of noisy data.

score = grad log p(x_t) + scale grad log p(label | x_t)

where p(x_t) is the model's without the label. By Bayes' rule scale 1 is the conditional model, and
a larger scale samples p(x) p(label | x)^scale at each noise level.

Source: Dhariwal & Nichol 2021, arXiv 2105.05233, equations 2 and 10 (algorithm 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.shapes import expand_like
from clarion.denoise.classifier import NoisyClassifier
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.rule import Guidance, SampleSpace


@dataclass(frozen=True)
class ClassifierGuidance(Guidance):
    """Steers samples towards their labels by a classifier.

    The denoiser is asked without the label, so it need not know it well; where the label is absent,
    nothing is added.

    Args:
        scale: 1 is the conditional model, 0 the one without labels.
        classifier: of data that was noised by the denoiser's process.
        name: of the condition that holds the label; "" for the one it was trained on, or "label".
    """

    needs_condition: ClassVar[bool] = True

    scale: float
    classifier: NoisyClassifier = field(repr=False)
    name: str = ""
    _evaluations_before: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isfinite(self.scale):
            raise ClarionError(f"scale must be a finite number, got {self.scale}.")
        if not isinstance(self.classifier, NoisyClassifier):
            raise ClarionError(f"classifier must be a NoisyClassifier, got {self.classifier!r}.")
        data = self.classifier.data
        name = self.name or (next(iter(data.spec)) if data else "label")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "_evaluations_before", self.classifier.num_evaluations)

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        if denoiser.process != self.classifier.process:
            raise ClarionError(
                f"The classifier must have the denoiser's process: it has "
                f"{self.classifier.process}, the denoiser {denoiser.process}."
            )
        return super().__call__(denoiser)

    def bind(self, space: SampleSpace) -> Self:
        self._check(space.condition)
        data = self.classifier.data
        if data is not None:  # the label may have another name here
            data = replace(data, spec={self.name: next(iter(data.spec.values()))})
        hint = "Train one for this model: clarion train-classifier MODEL."
        space.check_knows("classifier", data, hint)
        self.classifier.to(space.device)
        return self

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        condition = plain_condition(condition, self.name)
        present = condition.present[self.name]
        without = condition.keep_where({self.name: torch.zeros_like(present)})
        plain = denoiser(x_t, t, without)
        if self.scale == 0:
            return plain
        pull = self._pull(x_t, t, condition.values[self.name], present)
        process = denoiser.process
        # Adding g to the score adds sigma² / alpha g to the mean.
        weight = self.scale * process.sigma(t) ** 2 / process.alpha(t)
        return Estimate(plain.mean + expand_like(weight, x_t) * pull)

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        return (self.classifier,)

    @property
    def num_evaluations(self) -> int:
        return self.classifier.num_evaluations - self._evaluations_before

    def _pull(self, x_t: Tensor, t: Tensor, label: Tensor, present: Tensor) -> Tensor:
        """grad log p(label | x_t), (batch, *shape); 0 where the label is absent."""
        is_within = torch.is_grad_enabled() and x_t.requires_grad
        with torch.enable_grad():  # the loop of a sampler keeps no gradients
            x = x_t if is_within else x_t.detach().requires_grad_()
            of_own = self.classifier(x, t).gather(1, label.unsqueeze(1)).squeeze(1)
            total = torch.where(present, of_own, 0.0).sum()
            (pull,) = torch.autograd.grad(total, x, create_graph=is_within)
        return pull

    def _check(self, condition: Condition | None) -> None:
        plain = plain_condition(condition, self.name)
        label, present = plain.values[self.name], plain.present[self.name]
        if label.ndim != 1 or label.is_floating_point():
            raise ClarionError(
                f"Condition {self.name!r} is no label, which a classifier could know."
            )
        if present.any() and int(label[present].max()) >= self.classifier.num_classes:
            raise ClarionError(
                f"Condition {self.name!r} is {int(label[present].max())}, but the classifier knows "
                f"the classes 0..{self.classifier.num_classes - 1} alone."
            )


def plain_condition(condition: Condition | None, name: str) -> Condition:
    """The condition, refused if it has no such value, or is one that no classifier can follow."""
    if condition is None or name not in condition.values:
        known = ", ".join(condition.values) if condition else ""
        raise ClarionError(
            f"Guidance by a classifier needs the condition {name!r}; given are: {known or 'none'}."
        )
    if condition.terms or condition.negative:
        raise ClarionError(
            "Guidance by a classifier takes one condition, not a weighted sum or a negative one; "
            "the rule cfg takes those."
        )
    return condition
