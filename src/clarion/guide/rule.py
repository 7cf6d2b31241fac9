"""The contract of a guidance rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from clarion.denoise.denoiser import Denoiser


@dataclass(frozen=True)
class Guidance(ABC):
    """A rule that turns a denoiser into a steered one; composing rules is nesting the calls.

    A rule acts on each sample by itself: no result depends on who else is in the batch.
    """

    @abstractmethod
    def __call__(self, denoiser: Denoiser) -> Denoiser:
        """The steered denoiser."""

    @classmethod
    @abstractmethod
    def parse(cls, text: str) -> Guidance:
        """Read the rule from what follows its name on the command line ("3@0.2-0.7").

        Raises:
            ClarionError: if the text has another form.
        """
