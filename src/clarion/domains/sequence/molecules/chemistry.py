"""Texts as molecules, and from one notation to the other.

Sources: Weininger 1988, doi 10.1021/ci00057a005 (SMILES); Krenn et al. 2020, arXiv 1905.13741
(SELFIES).
"""

from __future__ import annotations

import selfies
from rdkit import Chem, rdBase

from clarion.base.errors import ClarionError

MOST_SHOWN = 60  # characters of a molecule in a message


def parse(smiles: str) -> Chem.Mol:
    """The molecule of a SMILES.

    Raises:
        ClarionError: if it is none: brackets or rings that are not closed, an atom with more bonds
            than it can have, a ring that cannot be aromatic, or nothing at all.
    """
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is not None and molecule.GetNumAtoms():
            return molecule
        drawn = Chem.MolFromSmiles(smiles, sanitize=False)
        problems = () if drawn is None else Chem.DetectChemistryProblems(drawn)
    reason = problems[0].Message() if problems else "it cannot be read as SMILES"
    shown = smiles if len(smiles) <= MOST_SHOWN else f"{smiles[:MOST_SHOWN]}..."
    raise ClarionError(f"{shown!r} is no molecule: {reason}.")


def to_canonical(molecule: Chem.Mol) -> str:
    """The one SMILES of all that stand for the same molecule."""
    return Chem.MolToSmiles(molecule)


def canonical(smiles: str) -> str | None:
    """The canonical SMILES of the same molecule; None if it is none.

    Example:
        >>> canonical("OCC"), canonical("C(O)C"), canonical("C1CC")
        ('CCO', 'CCO', None)
    """
    try:
        return to_canonical(parse(smiles))
    except ClarionError:
        return None


def to_selfies(smiles: str) -> str:
    """A SMILES as SELFIES, which `to_smiles` leads back to the same molecule.

    Raises:
        ClarionError: if it is no molecule, or one that SELFIES cannot hold, such as one with more
            bonds to an atom than its rules allow.
    """
    wanted = to_canonical(parse(smiles))
    try:
        text = selfies.encoder(wanted)
    except selfies.EncoderError as error:
        reason = " ".join(str(error).split("Errors:")[-1].split())
        raise ClarionError(f"{smiles!r} cannot be written as SELFIES: {reason}") from None
    if text is None or canonical(to_smiles(text)) != wanted:
        raise ClarionError(f"{smiles!r} cannot be written as SELFIES without a change.")
    return text


def to_smiles(text: str) -> str:
    """SELFIES as SMILES.

    Raises:
        ClarionError: for a symbol that is none of SELFIES.
    """
    try:
        return str(selfies.decoder(text))
    except selfies.DecoderError as error:
        raise ClarionError(f"{text!r} is no SELFIES: {' '.join(str(error).split())}") from None
