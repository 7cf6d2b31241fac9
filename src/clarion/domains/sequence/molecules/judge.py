"""How good drawn molecules are: valid, different, new, and of what properties.

Molecules are compared by their canonical SMILES. Of n texts some are valid; of the valid ones some
are different; of the different ones some are new, that is, not in the reference. A model gains
nothing by what is known or drawn twice, so the properties of the new ones are given on their own
(as in Schiff et al. 2025, arXiv 2412.10193, on QM9).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch

from clarion.base.errors import ClarionError
from clarion.domains.sequence.molecules.chemistry import parse, to_canonical
from clarion.domains.sequence.molecules.fcd import distance, features
from clarion.domains.sequence.molecules.properties import PROPERTIES
from clarion.evaluate.metric import Metric, mean, share
from clarion.run.examples import OnProgress

FEWEST_FOR_FCD = 2
USUAL_FOR_FCD = 1000
"""Below it the distance is noted as saying little: its features have 512 dimensions."""


@dataclass(frozen=True)
class Molecule:
    """What one text turned out to be.

    Args:
        text: as it was drawn, in SMILES.
        canonical: its canonical SMILES; None if it is no molecule.
        is_repeated: whether an earlier text is the same molecule.
        is_known: whether the reference holds it; None without a reference.
        properties: name -> value; empty if it is no molecule.
    """

    text: str
    canonical: str | None
    is_repeated: bool
    is_known: bool | None
    properties: Mapping[str, float]


def judge(
    texts: Sequence[str],
    reference: Collection[str] | None = None,
    on_progress: OnProgress | None = None,
) -> list[Molecule]:
    """Look at each text.

    Args:
        texts: in SMILES; one that is no molecule is one of the results.
        reference: canonical SMILES of known molecules, best as a set.
        on_progress: called with (texts done, texts in all).
    """
    seen: set[str] = set()
    molecules = []
    for text in texts:
        canonical, properties = None, {}
        try:
            parsed = parse(text)
            canonical = to_canonical(parsed)
            properties = {name: float(of(parsed)) for name, of in PROPERTIES.items()}
        except ClarionError:
            pass
        is_known = None if reference is None else canonical in reference
        molecules.append(Molecule(text, canonical, canonical in seen, is_known, properties))
        if canonical is not None:
            seen.add(canonical)
        if on_progress is not None:
            on_progress(len(molecules), len(texts))
    return molecules


def new_ones(molecules: Sequence[Molecule]) -> list[Molecule]:
    """Those that are valid, not in the reference, and the first of their kind."""
    return [m for m in molecules if m.canonical is not None and not (m.is_known or m.is_repeated)]


def metrics(molecules: Sequence[Molecule]) -> dict[str, Metric]:
    """Shares and mean properties; those of which there is no molecule are left out."""
    valid = [m for m in molecules if m.canonical is not None]
    different = [m for m in valid if not m.is_repeated]
    alone = "" if valid else "no molecule, of which more could be said"
    found = {"valid": share(len(valid), len(molecules), alone)}
    if not valid:
        return found
    # Not a share of independent draws: the more there are, the more are repeated. So no interval.
    found["unique"] = Metric(len(different) / len(valid), len(valid), note="of the valid")
    groups = {"": valid}
    if molecules[0].is_known is not None:
        new = new_ones(molecules)
        found["novel"] = share(len(new), len(different), "of the unique")
        found["valid, unique and novel"] = share(len(new), len(molecules))
        groups |= {" of the novel": new} if new else {}
    for name in PROPERTIES:
        for words, group in groups.items():
            found[name + words] = mean([m.properties[name] for m in group])
    return found


def fcd_metrics(
    smiles: Sequence[str],
    reference: Sequence[str],
    most: int,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> dict[str, Metric]:
    """The Fréchet ChemNet distance to the reference, and its floor: all of the same n.

    Args:
        smiles: valid molecules.
        reference: valid molecules, of which two parts of n are drawn; the second has its distance
            to the first measured, too.
        most: that are used; n is that, the number of molecules, or half of the reference.
        seed: of what is drawn from the reference.
        on_progress: called with (molecules done, molecules in all).

    Returns:
        "fcd" and "fcd of real ones"; nothing where there are fewer than two.
    """
    n = min(most, len(smiles), len(reference) // 2)
    if n < FEWEST_FOR_FCD:
        return {}
    order = torch.randperm(len(reference), generator=torch.Generator().manual_seed(seed)).tolist()
    real = [reference[int(i)] for i in order[: 2 * n]]
    few = "; of so few it says little" if n < USUAL_FOR_FCD else ""
    drawn, first, second = features(list(smiles[:n]) + real, on_progress).split(n)
    return {
        "fcd": Metric(distance(drawn, first), n, note=f"to n of the reference{few}"),
        "fcd of real ones": Metric(distance(second, first), n, note="the floor at this n"),
    }
