"""Some tokens are known; the others are filled in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.options import check_tensor
from clarion.base.vocabulary import Vocabulary
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate, TokenEstimate
from clarion.guide.rule import Guidance, SampleSpace
from clarion.guide.tokens.template import read_template
from clarion.process.process import Process
from clarion.process.tokens import Masking


@dataclass(frozen=True, eq=False)
class Infill(Guidance):
    """Shows the known tokens to the denoiser from the start, and ends with them.

    With masks this is no approximation: a visible token is a condition, and what is sampled is
    p(unknown | known) as exactly as without. Beginnings, ends and gaps are all the same.

    Args:
        known: the known tokens, (length,) int64; what stands in other places is not read.
        mask: True where they are known, (length,) bool.

    Example:
        >>> Infill.of("AC{2}", Vocabulary(tuple("ACGT")), length=4)
        Infill(2 of 4 tokens known)
    """

    serves: ClassVar[tuple[type[Process], ...]] = (Masking,)

    known: Tensor
    mask: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        check_tensor("known of infill", self.known)
        check_tensor("mask of infill", self.mask)

    @classmethod
    def of(cls, template: str, vocabulary: Vocabulary, length: int) -> Infill:
        """The rule of a template such as "In the beginning{}"; see `read_template`.

        Args:
            template: known tokens and gaps.
            vocabulary: the model's (`model.codec`).
            length: of its sequences, in tokens.

        Raises:
            ClarionError: if it does not fit them.
        """
        tokens = read_template(template, vocabulary, length)
        known = torch.tensor([0 if token is None else token for token in tokens])
        return cls(known, torch.tensor([token is not None for token in tokens]))

    def __repr__(self) -> str:
        return f"Infill({int(self.mask.sum())} of {self.mask.numel()} tokens known)"

    def bind(self, space: SampleSpace) -> Self:
        for name in ("known", "mask"):
            shape = tuple(getattr(self, name).shape)
            if shape != space.shape:
                raise ClarionError(
                    f"{name} of infill must have the shape of a sample, {space.shape}, got {shape}."
                )
        if self.mask.dtype != torch.bool or self.known.is_floating_point():
            raise ClarionError(
                f"infill takes whole numbers and a mask of bools, got {self.known.dtype} and "
                f"{self.mask.dtype}."
            )
        return replace(self, known=self.known.to(space.device), mask=self.mask.to(space.device))

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        steered = super().__call__(denoiser)
        least, most = (
            (int(m) for m in self.known[self.mask].aminmax()) if self.mask.any() else (0, 0)
        )
        if least < 0 or most >= denoiser.process.vocabulary:
            raise ClarionError(
                f"known of infill must hold tokens 0..{denoiser.process.vocabulary - 1}, "
                f"got {least} to {most}."
            )
        return steered

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        estimate = denoiser(torch.where(self.mask, self.known, x_t), t, condition)
        assert isinstance(estimate, TokenEstimate), "a token process has token estimates"
        known, vocabulary = self.known.where(self.mask, 0), denoiser.process.vocabulary
        certain = TokenEstimate.of_tokens(known, vocabulary, estimate.logits).logits
        logits = torch.where(self.mask.unsqueeze(-1), certain, estimate.logits)
        return TokenEstimate(logits, estimate.tilt)
