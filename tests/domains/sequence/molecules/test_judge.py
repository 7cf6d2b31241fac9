"""Counts against those made by hand, distances against the package the network comes from."""

from __future__ import annotations

import warnings

import pytest

from clarion.domains.sequence.molecules.fcd import distance, features
from clarion.domains.sequence.molecules.judge import fcd_metrics, judge, metrics, new_ones

DRAWN = ["CCO", "OCC", "C1CC", "c1ccccc1", "C1=CC=CC=C1", "CCN", "", "CCCl"]
KNOWN = {"CCO", "CCCl", "C"}


def test_counts():
    molecules = judge(DRAWN, KNOWN)
    assert [m.canonical for m in molecules] == [
        "CCO", "CCO", None, "c1ccccc1", "c1ccccc1", "CCN", None, "CCCl",
    ]  # fmt: skip
    assert [m.text for m in new_ones(molecules)] == ["c1ccccc1", "CCN"]
    found = metrics(molecules)
    assert (found["valid"].value, found["valid"].n) == (6 / 8, 8)
    assert (found["unique"].value, found["unique"].n) == (4 / 6, 6)
    assert (found["novel"].value, found["novel"].n) == (2 / 4, 4)
    assert (found["valid, unique and novel"].value, found["valid, unique and novel"].n) == (
        2 / 8,
        8,
    )
    assert (found["rings"].value, found["rings"].n) == (2 / 6, 6)
    assert (found["rings of the novel"].value, found["rings of the novel"].n) == (1 / 2, 2)
    assert found["qed"].low is not None


def test_without_a_reference_nothing_is_novel():
    found = metrics(judge(DRAWN))
    assert not [name for name in found if "novel" in name]
    assert len(new_ones(judge(DRAWN))) == 4


def test_where_nothing_is_left_there_is_no_number():
    assert list(metrics(judge(["C1CC", ""], KNOWN))) == ["valid"]
    known_ones = metrics(judge(["CCO", "C"], KNOWN))
    assert known_ones["novel"].value == 0
    assert not [name for name in known_ones if "of the novel" in name]


def alkanes(n: int) -> list[str]:
    """Different molecules of carbon and oxygen."""
    return [
        "C" * (1 + i % 7) + "O" * (i % 2) + "C" * (i % 5) + "N" * (i % 3 == 0) for i in range(n)
    ]


def test_the_distance_is_that_of_the_package():
    from fcd_torch import FCD

    a, b = alkanes(40), ["c1ccccc1" + text for text in alkanes(30)]
    ours = distance(features(a), features(b))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = FCD(device="cpu")(a, b)
    # float32 features of size 1, and a root of a singular product on their side
    assert ours == pytest.approx(theirs, rel=1e-3)


def test_the_distance_and_its_floor_are_of_one_n():
    reference = list(dict.fromkeys(alkanes(200)))
    progress = []
    found = fcd_metrics(
        ["C", "CC", "CCC"], reference, 50, on_progress=lambda *of: progress.append(of)
    )
    assert [metric.n for metric in found.values()] == [3, 3]
    assert progress[-1] == (9, 9)
    assert all(metric.value > 0 for metric in found.values())
    assert fcd_metrics(["C"], reference, 50) == {}
