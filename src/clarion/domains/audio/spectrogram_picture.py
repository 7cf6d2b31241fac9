"""Sounds as pictures: frequency over time, in dBFS."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from clarion.base.errors import ClarionError
from clarion.base.sound import STFT
from clarion.domains.audio.sound_file import Sound
from clarion.run.files import write_bytes

LOWEST_DBFS, HIGHEST_DBFS = -80.0, -10.0
MOST_DRAWN = 36
WINDOW_S = 0.032


def draw_spectrograms(
    sounds: Sequence[Sound], path: Path, titles: Sequence[str] = (), columns: int | None = None
) -> Path:
    """Write a picture with a panel for each sound, at most 36.

    Args:
        sounds: at least one.
        path: of a .png file.
        titles: one above each panel; () for none.
        columns: panels in a row; None makes about a square.

    Raises:
        ClarionError: if there are no sounds.
    """
    if not sounds:
        raise ClarionError("draw_spectrograms needs at least one sound, got none.")
    shown = list(sounds[:MOST_DRAWN])
    columns = min(columns or math.ceil(math.sqrt(len(shown))), len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(1 + 2.2 * columns, 0.6 + 1.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    image = None
    for number, axes in enumerate(panels.flat):
        if number >= len(shown):
            axes.set_visible(False)
            continue
        sound = shown[number]
        image = axes.imshow(
            levels_dbfs(sound),
            extent=(0, sound.duration_s, 0, sound.sample_rate_hz / 2000),
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=LOWEST_DBFS,
            vmax=HIGHEST_DBFS,
        )
        if titles:
            axes.set_title(titles[number], fontsize=8, loc="left")
        axes.tick_params(labelsize=7)
    assert image is not None, "there is a sound"
    figure.supxlabel("s", fontsize=8)
    figure.supylabel("kHz", fontsize=8)
    bar = figure.colorbar(image, ax=panels.ravel().tolist(), fraction=0.03)
    bar.set_label("dBFS", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content.getvalue())
    return path


def levels_dbfs(sound: Sound) -> np.ndarray:
    """(bins, frames): a sine of full scale is 0."""
    window = 2 * max(2, round(WINDOW_S * sound.sample_rate_hz / 2))
    waveform = torch.from_numpy(np.ascontiguousarray(sound.samples)).double()[None]
    spectra = STFT(window, max(1, window // 4)).analyse(waveform)[0].abs()
    return 20 * spectra.clamp_min(1e-10).log10().numpy()
