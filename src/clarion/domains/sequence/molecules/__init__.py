"""Molecules: what a text in SMILES or SELFIES stands for, and how good those are that were drawn.

All chemistry is that of RDKit, and the notation SELFIES that of its own package. Both are optional:
who imports a module of this package is told what to install.
"""

from clarion.base.errors import ClarionError

try:
    import rdkit  # noqa: F401
    import selfies  # noqa: F401
except ImportError:
    raise ClarionError(
        "Molecules need the packages rdkit and selfies. "
        "Install them with: pip install 'clarion[molecules]'"
    ) from None
