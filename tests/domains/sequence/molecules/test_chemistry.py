"""Molecules whose names a chemist knows."""

from __future__ import annotations

import pytest

from clarion.base.errors import ClarionError
from clarion.domains.sequence.molecules.chemistry import canonical, parse, to_selfies, to_smiles
from clarion.domains.sequence.molecules.properties import PROPERTIES

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
MOLECULES = [
    "CCO",
    "c1ccccc1",
    ASPIRIN,
    "CN1C=NC2=C1C(=O)N(C(=O)N2C)C",  # caffeine, Kekulé
    "C[C@H](N)C(=O)O",  # one of two mirror images
    "C[C@@H](N)C(=O)O",
    "F/C=C/F",  # and of two sides
    r"F/C=C\F",
    "C[N+](=O)[O-]",
    "[NH3+]CC([O-])=O",
    "[13CH4]",
    "C1CC2CC1CC2",
    "O=N(=O)C1=CC=CN1",  # five bonds to nitrogen, which RDKit reads as charges
    "[Na+].[Cl-]",
]


@pytest.mark.parametrize("smiles", MOLECULES)
def test_selfies_and_back(smiles):
    text = to_selfies(smiles)
    assert text.startswith("[")
    assert canonical(to_smiles(text)) == canonical(smiles)


def test_mirror_images_stay_apart():
    assert len({to_selfies(smiles) for smiles in MOLECULES}) == len(MOLECULES)


@pytest.mark.parametrize(
    "same", [("OCC", "C(O)C", "CCO"), ("C1=CC=CC=C1", "c1ccccc1"), ("CN(=O)=O", "C[N+](=O)[O-]")]
)
def test_one_molecule_has_one_name(same):
    assert len({canonical(smiles) for smiles in same}) == 1


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [
        ("C1CC", "cannot be read as SMILES"),
        ("C(C", "cannot be read as SMILES"),
        ("", "cannot be read as SMILES"),
        ("CN(C)(C)(C)C", r"valence for atom # 1 N, 5, is greater than permitted"),
        ("c1cccc1", "kekulize"),
    ],
)
def test_what_is_none_is_refused_with_its_reason(smiles, reason, capfd):
    with pytest.raises(ClarionError, match=f"is no molecule: .*{reason}"):
        parse(smiles)
    assert canonical(smiles) is None
    assert capfd.readouterr().err == ""  # RDKit's own log is of no use to a reader of the message
    with pytest.raises(ClarionError, match="is no molecule"):
        to_selfies(smiles)


def test_what_selfies_cannot_hold():
    with pytest.raises(ClarionError, match=r"'CI.*' cannot be written as SELFIES: \[I with 5 bond"):
        to_selfies("CI(=O)=O")
    with pytest.raises(ClarionError, match=r"'CC\*' cannot be written as SELFIES: failed to parse"):
        to_selfies("CC*")
    with pytest.raises(ClarionError, match=r"'\[C\]\[nonsense\]' is no SELFIES"):
        to_smiles("[C][nonsense]")


def test_properties_counted_by_hand():
    aspirin = parse(ASPIRIN)
    assert PROPERTIES["rings"](aspirin) == 1
    assert PROPERTIES["rings"](parse("C1CC2CC1CC2")) == 2
    # C9 H8 O4 with the standard atomic weights
    weight = 9 * 12.011 + 8 * 1.008 + 4 * 15.999
    assert PROPERTIES["weight"](aspirin) == pytest.approx(weight, abs=0.01)
    # Bickerton et al. 2012 rank drugs by it: aspirin 0.55, of RDKit's mean weights
    assert PROPERTIES["qed"](aspirin) == pytest.approx(0.55, abs=0.005)
    # two contributions of CH3 and one of CH2 (C1), eight of H on carbon (H1): Wildman & Crippen
    assert PROPERTIES["logp"](parse("CCC")) == pytest.approx(3 * 0.1441 + 8 * 0.1230, abs=1e-9)
