"""Pictures of molecules: where there is ink, and of what colour."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from clarion.domains.sequence.molecules.drawing import HEIGHT, WIDTH, draw


def panels(png: bytes) -> list[np.ndarray]:
    """Each panel as (height, width, 3) numbers."""
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    rows, columns = picture.shape[0] // HEIGHT, picture.shape[1] // WIDTH
    return [
        picture[r * HEIGHT : (r + 1) * HEIGHT, c * WIDTH : (c + 1) * WIDTH]
        for r in range(rows)
        for c in range(columns)
    ]


def is_red(panel: np.ndarray) -> bool:
    """Whether something is drawn in the colour of oxygen."""
    return bool(((panel[..., 0] > 200) & (panel[..., 1:] < 80).all(-1)).any())


def is_empty(panel: np.ndarray) -> bool:
    return bool((panel == 255).all())


def test_a_panel_for_each():
    drawn = panels(draw(["CCO", "c1ccccc1", "CC", "CCC", "CCCC", "C1CC1", "CO"]))
    assert len(drawn) == 12  # two rows of six
    assert [is_red(panel) for panel in drawn[:7]] == [True, *[False] * 5, True]
    assert [is_empty(panel) for panel in drawn] == [False] * 7 + [True] * 5


def test_what_is_none_is_named_in_grey():
    molecule, none, empty = panels(draw(["CCO", "C1CC", ""], ["ethanol", "x", "y"]))
    assert is_red(molecule)
    for panel in (none, empty):
        assert not is_empty(panel)
        assert (panel == panel[..., :1]).all()  # grey


def test_words_below_are_those_given():
    one, other = (panels(draw(["CCO"], [words]))[0] for words in ("", "0.5"))
    middle = HEIGHT * 3 // 4
    assert is_empty(one[middle:])
    assert not is_empty(other[middle:])
