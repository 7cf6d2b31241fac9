"""Properties that follow from the molecule alone, by RDKit.

Sources: Bickerton et al. 2012, doi 10.1038/nchem.1243 (QED, how much a molecule is like a drug);
Wildman & Crippen 1999, doi 10.1021/ci990307l (logP).
"""

from __future__ import annotations

from collections.abc import Callable

from rdkit import Chem
from rdkit.Chem import QED, Crippen, Descriptors, rdMolDescriptors

from clarion.base.names import NameTable

PROPERTIES: NameTable[Callable[[Chem.Mol], float]] = NameTable(
    "property of molecules",
    {
        "qed": QED.qed,
        "rings": rdMolDescriptors.CalcNumRings,
        "logp": Crippen.MolLogP,  # pyright: ignore[reportAttributeAccessIssue]
        "weight": Descriptors.MolWt,  # pyright: ignore[reportAttributeAccessIssue]
    },
)
"""Name -> property: QED in [0, 1], number of rings, logP of octanol and water, weight in g/mol."""
