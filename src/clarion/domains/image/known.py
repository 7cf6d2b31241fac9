"""A part of a picture that is known, as it is asked for at the command line."""

from __future__ import annotations

from collections.abc import Sequence

from clarion.base.codec import Codec
from clarion.base.errors import ClarionError
from clarion.domains.image.one_picture import HALF, read_picture
from clarion.guide.inpaint import Inpaint
from clarion.run.config import ModelConfig


def inpainting(words: Sequence[str], model: ModelConfig, codec: Codec) -> Inpaint:
    """Paint anew what is white in the mask, and keep the rest of the picture.

    Args:
        words: the files of a picture and of a mask, both of the size of a sample.
        model: whose samples these are.
        codec: not needed, since pictures are stated in units of the data.

    Raises:
        ClarionError: if a file cannot be read, or has another size.
    """
    if len(words) != 2:
        raise ClarionError(
            "--inpaint takes a picture and a mask, such as --inpaint picture.png mask.png; got "
            f"{' '.join(words) or 'none'}."
        )
    channels, *sides = model.shape
    is_known = read_picture(words[1], 1, sides) < HALF
    return Inpaint(read_picture(words[0], channels, sides), is_known.float())
