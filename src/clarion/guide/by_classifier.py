"""What the rules share that ask a classifier of noisy data, of numbers or of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.options import check_number
from clarion.denoise.classifier import NoisyClassifier
from clarion.denoise.denoiser import Denoiser
from clarion.guide.rule import Guidance, SampleSpace, rules_round


@dataclass(frozen=True)
class ByClassifier(Guidance):
    """Steers by p(label | x_t).

    The denoiser is asked without the label, so it need not know it well; where the label is absent,
    nothing is changed.

    Args:
        scale: 1 is the conditional model, 0 the one without labels.
        classifier: of data that was noised by the denoiser's process.
        name: of the condition that holds the label; "" for the one it was trained on, or "label".
    """

    needs_condition: ClassVar[bool] = True

    scale: float
    classifier: NoisyClassifier = field(repr=False)
    name: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.classifier, NoisyClassifier):
            raise ClarionError(f"classifier must be a NoisyClassifier, got {self.classifier!r}.")
        super().__post_init__()
        check_number("scale", self.scale)
        data = self.classifier.data
        name = self.name or (next(iter(data.spec)) if data else "label")
        object.__setattr__(self, "name", name)

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        within = (rule for rule in rules_round(denoiser) if isinstance(rule, ByClassifier))
        if any(rule.name == self.name for rule in within):
            raise ClarionError(
                f"Two rules by a classifier steer by the condition {self.name!r}, which the outer "
                f"one hides from the inner one. Take one of them, with a larger scale."
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

    @property
    def networks(self) -> Mapping[str, NoisyClassifier]:
        return {"classifier": self.classifier}

    def parts(self, condition: Condition | None) -> tuple[Tensor, Tensor, Condition]:
        """The labels, (batch,) and 0 where absent; where they are present; all else that is asked.

        Raises:
            ClarionError: if there is no such condition, or it is one that no classifier can follow.
        """
        condition = plain_condition(condition, self.name)
        present = condition.present[self.name]
        label = condition.values[self.name].where(present, 0)
        return label, present, condition.keep_where({self.name: torch.zeros_like(present)})

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
