"""A study is read strictly; what does not fit together is said in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from clarion.base.errors import ClarionError
from clarion.listen.study import ANCHOR, Claim, Study, read_study

GIVEN: dict[str, Any] = {
    "title": "Clear speech",
    "design": "multi_stimulus",
    "systems": ["noisy", "ours"],
    "baseline": "noisy",
}


def read(tmp_path: Path, **changes: Any) -> Study:
    path = tmp_path / "STUDY.json"
    path.write_text(json.dumps(GIVEN | changes))
    return read_study(path)


def test_four_fields_are_a_study(tmp_path):
    study = read(tmp_path)
    assert study == Study("Clear speech", "multi_stimulus", ("noisy", "ours"), "noisy")
    assert study.conditions == ("noisy", "ours")
    assert not study.has_anchor  # there is nothing to make it of


@pytest.mark.parametrize(
    ("design", "conditions"),
    [
        ("multi_stimulus", ("noisy", "ours", "clean", ANCHOR)),
        ("acr", ("noisy", "ours", "clean")),
        ("p835", ("noisy", "ours", "clean")),
        ("ccr", ("ours",)),
        ("ab", ("ours",)),
    ],
)
def test_what_is_rated(tmp_path, design, conditions):
    assert read(tmp_path, design=design, reference="clean").conditions == conditions


def test_a_claim_is_read(tmp_path):
    study = read(tmp_path, claim={"system": "ours", "level": "proved"}, question="Clear?")
    assert study.claim == Claim("ours", 20.0, "proved")
    assert study.scales[0].question == "Clear?"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"design": "mushra"}, "Unknown design 'mushra'"),
        ({"desing": 1}, "has unknown 'desing'"),
        ({"systems": ["ours"], "baseline": "ours"}, "at least 2"),
        ({"systems": ["noisy", "noisy"]}, "must differ"),
        ({"systems": ["noisy", "../key"]}, "names of files"),
        ({"systems": ["noisy", "anchor"]}, "'anchor'"),
        ({"baseline": "nosy"}, "Did you mean 'noisy'"),
        ({"reference": "ours"}, "must not stand among the systems"),
        ({"claim": {"system": "noisy"}}, "claim.system 'noisy'"),
        ({"claim": {"system": "ours", "level": "sure"}}, "one of 'estimated', 'proved'"),
        ({"claim": {"system": "ours", "scale": "BAK"}}, "claim.scale 'BAK'"),
        ({"design": "ccr", "claim": {"system": "ours"}}, r"claim.at_least .* in \[0, 3\]"),
        ({"design": "ab", "claim": {"system": "ours"}}, r"claim.at_least .* in \[50, 100\]"),
        ({"design": "p835", "question": "How?"}, "several questions of p835"),
        ({"num_listeners": 0}, "num_listeners"),
        ({"loudness_lufs": 23}, "loudness_lufs"),
        ({"systems": [*"abcdefghijklm"], "baseline": "a"}, "at most 12 stimuli"),
        ({"screening": {"share_of_items": 15}}, "share_of_items"),
        ({"items": []}, "items"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, changes, message):
    with pytest.raises(ClarionError, match=message):
        read(tmp_path, **changes)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(ClarionError, match=r"STUDY\.json is missing"):
        read_study(tmp_path / "STUDY.json")
    (tmp_path / "STUDY.json").write_text("{")
    with pytest.raises(ClarionError, match="cannot be read"):
        read_study(tmp_path / "STUDY.json")
