"""Molecules as a picture, each with a few words below it."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from rdkit import Chem
from rdkit.Chem.Draw import rdMolDraw2D

from clarion.base.errors import ClarionError
from clarion.domains.sequence.molecules.chemistry import parse
from clarion.domains.sequence.molecules.properties import PROPERTIES

WIDTH, HEIGHT = 220, 190
"""Of one molecule, in pixels."""

COLUMNS = 6
BOND_LENGTH = 26
FONT_SIZE = 18


def draw(smiles: Sequence[str], captions: Sequence[str] | None = None) -> bytes:
    """A grid of molecules, as a PNG; in place of what is no molecule stands its text.

    Args:
        smiles: of each, at least one.
        captions: below each; None for QED and number of rings.
    """
    molecules, words, unread = [], [], {}
    for i, text in enumerate(smiles):
        molecule, caption = Chem.Mol(), ""
        try:
            molecule = parse(text)
            caption = _caption(molecule) if captions is None else captions[i]
        except ClarionError:
            unread[i] = text
        molecules.append(molecule)
        words.append(caption)
    columns = min(COLUMNS, len(molecules))
    rows = -(-len(molecules) // columns)
    canvas = rdMolDraw2D.MolDraw2DCairo(columns * WIDTH, rows * HEIGHT, WIDTH, HEIGHT)
    canvas.drawOptions().legendFontSize = FONT_SIZE
    canvas.drawOptions().fixedBondLength = BOND_LENGTH  # all at one scale
    canvas.DrawMolecules(molecules, legends=words)
    canvas.FinishDrawing()
    picture = Image.open(io.BytesIO(canvas.GetDrawingText()))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(0.8 * FONT_SIZE)
    for i, text in unread.items():
        middle = ((i % columns + 0.5) * WIDTH, (i // columns + 0.5) * HEIGHT)
        lines = ["no molecule:", *textwrap.wrap(text, 24)] if text else ["empty"]
        pen.multiline_text(middle, "\n".join(lines), "#888888", font, "mm", align="center")
    stream = io.BytesIO()
    picture.save(stream, "png", optimize=True)
    return stream.getvalue()


def _caption(molecule: Chem.Mol) -> str:
    rings = int(PROPERTIES["rings"](molecule))
    return f"QED {PROPERTIES['qed'](molecule):.2f}, {rings} ring{'s' * (rings != 1)}"
