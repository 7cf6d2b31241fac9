"""The folder holds all that a page needs, and nothing that gives a system away."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

from clarion.base.errors import ClarionError
from clarion.domains.audio.sound_file import Sound
from clarion.listen.build import build, links
from clarion.listen.key import Key
from clarion.listen.loudness import loudness_lufs
from clarion.listen.study import Study

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("pyloudnorm")
pytest.importorskip("soxr")


def decoded(script: Path) -> Sound:
    name, content = re.fullmatch(
        r'CLARION\.clip\("(\w+)", "(.+)"\);\n', script.read_text()
    ).groups()  # pyright: ignore
    assert name == script.stem
    return Sound(*soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="float64"))


def argument(script: Path) -> dict:
    return json.loads(re.fullmatch(r"CLARION\.\w+\((.*)\);\n", script.read_text(), re.DOTALL)[1])  # pyright: ignore


def test_the_page_and_its_key(clips, study, tmp_path):
    key = build(study(), clips, tmp_path / "study")
    page = tmp_path / "study" / "page"
    assert Key.read(tmp_path / "study") == key
    assert sorted(key.clips) == ["a", "b", "c", "d"]
    for item, names in key.clips.items():
        heard = {condition: decoded(page / "clips" / f"{n}.js") for condition, n in names.items()}
        open_reference = decoded(page / "clips" / f"{key.open_references[item]}.js")
        for sound in (*heard.values(), open_reference):
            assert loudness_lufs(sound) == pytest.approx(-23, abs=0.01)  # dithered to 16 bits
        # Both are the reference, each with a dither of its own of less than two steps.
        difference = heard["clean"].samples - open_reference.samples
        assert 0 < np.abs(difference).max() <= 3 / 2**15
    for asked, link in zip(key.sessions, links(key, "page/"), strict=True):
        content = argument(page / "listeners" / f"{asked.code}.js")
        assert link == f"page/index.html?listener={asked.code}"
        assert [trial["clips"] for trial in content["trials"]] == [
            key.shown(trial) for trial in asked.trials
        ]


@pytest.mark.parametrize("design", ["multi_stimulus", "acr", "p835", "ccr", "ab"])
def test_nothing_gives_a_system_away(clips, study, tmp_path, design):
    key = build(study(design), clips, tmp_path / "study")
    page = tmp_path / "study" / "page"
    secret = re.compile(
        "|".join(["clean", "noisy", "ours", "other", "anchor", "trap", "duplicate"])
    )
    for path in [page / "study.js", *(page / "listeners").iterdir()]:
        assert not secret.search(path.read_text()), path
    assert not [path for path in page.rglob("*") if secret.search(path.name)]
    # Names are drawn anew, and do not follow from the seed.
    again = build(study(design), clips, tmp_path / "again")
    assert again.clips != key.clips
    assert [s.trials for s in again.sessions] == [s.trials for s in key.sessions]


def test_the_page_reaches_for_nothing_else(clips, study, tmp_path):
    build(study(), clips, tmp_path / "study")
    for path in (tmp_path / "study" / "page").iterdir():
        if path.is_file():
            assert not re.search(r"(https?:)?//\w+\.\w", path.read_text()), path


def test_questions_of_speech_and_background_change_places(clips, study, tmp_path):
    key = build(study("p835"), clips, tmp_path / "study")
    assert [asked.scales for asked in key.sessions[:2]] == [
        ("SIG", "BAK", "OVRL"),
        ("BAK", "SIG", "OVRL"),
    ]


def test_generated_speech_needs_no_reference(clips, study, tmp_path):
    generated = Study("t", "multi_stimulus", ("noisy", "ours"), "noisy", num_listeners=2)
    key = build(generated, clips, tmp_path / "study")
    assert not key.open_references
    hidden = build(study(open_reference=False), clips, tmp_path / "hidden")
    assert not hidden.open_references
    assert "clean" in hidden.clips["a"]


def test_an_earlier_study_is_not_replaced(clips, study, tmp_path):
    build(study(), clips, tmp_path / "study")
    with pytest.raises(ClarionError, match="exists"):
        build(study(), clips, tmp_path / "study")


def test_a_build_that_fails_leaves_nothing(clips, study, tone, write_clip, tmp_path):
    write_clip(clips / "ours" / "d.wav", 0 * tone("d", "ours"))
    with pytest.raises(ClarionError, match="silent"):
        build(study(), clips, tmp_path / "out" / "study")
    assert not list((tmp_path / "out").iterdir())


def test_a_key_of_another_version_is_refused(clips, study, tmp_path):
    build(study(), clips, tmp_path / "study")
    path = tmp_path / "study" / "key.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(ClarionError, match="schema_version 2; this Clarion reads 1"):
        Key.read(tmp_path / "study")
