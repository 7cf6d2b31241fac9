"""Which of the texts to train on are molecules, and what kind of molecules they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clarion.base.errors import ClarionError
from clarion.run.duplicates import listed

MOST_MEASURED = 1000
NUM_SHOWN = 3
QUANTILES = {"5%": 0.05, "median": 0.5, "95%": 0.95}


@dataclass(frozen=True)
class MoleculeSurvey:
    """What there is to say of texts in SMILES.

    Args:
        count: number of texts.
        num_valid: how many are molecules.
        num_different: how many molecules differ, however they are written.
        problems: what is wrong with the first ones that are none, with their places.
        num_measured: molecules whose properties were computed, spread evenly over all.
        properties: name -> quantiles by their names.
    """

    count: int
    num_valid: int
    num_different: int
    problems: tuple[str, ...]
    num_measured: int
    properties: Mapping[str, Mapping[str, float]]

    @staticmethod
    def of(smiles: Sequence[str], place: Callable[[int], str]) -> MoleculeSurvey:
        """Read every text once.

        Args:
            smiles: the texts.
            place: says where one comes from, by its number.

        Raises:
            ClarionError: if RDKit is not installed.
        """
        from clarion.domains.sequence.molecules.chemistry import parse, to_canonical
        from clarion.domains.sequence.molecules.properties import PROPERTIES

        found, problems = [], []
        for i, text in enumerate(smiles):
            try:
                found.append(to_canonical(parse(text)))
            except ClarionError as error:
                if len(problems) < NUM_SHOWN:
                    problems.append(f"{place(i)}: {error}")
        chosen = found[:: -(-len(found) // MOST_MEASURED) or 1]
        measured = [parse(text) for text in chosen]
        return MoleculeSurvey(
            count=len(smiles),
            num_valid=len(found),
            num_different=len(set(found)),
            problems=tuple(problems),
            num_measured=len(measured),
            properties={
                name: {key: float(np.quantile(values, q)) for key, q in QUANTILES.items()}
                for name, of in PROPERTIES.items()
                if (values := [of(molecule) for molecule in measured])
            },
        )

    def in_words(self) -> str:
        """A line on all, one for each text that is shown and no molecule, one for each property."""
        which = "all" if self.num_valid == self.count else f"{self.num_valid:,} of"
        head = f"{which} {self.count:,} valid, {self.num_different:,} different"
        lines = [listed(head, self.problems, self.count - self.num_valid)]
        for name, quantiles in self.properties.items():
            spread = ", ".join(f"{key} {value:.3g}" for key, value in quantiles.items())
            part = "" if self.num_measured == self.num_valid else f" (of {self.num_measured:,})"
            lines.append(f"  {name}: {spread}{part}")
        return "\n".join(lines)
