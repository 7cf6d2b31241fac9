"""A study as a folder: a page that works from a file or any host, and a key to be kept apart.

OUT/page/index.html     what listeners open, with ?listener=CODE
OUT/page/clips/         sound under opaque names, as scripts, for a page that was opened from a
                        file may load scripts and nothing else
OUT/page/listeners/     what each listener is asked, in terms of opaque names
OUT/key.json            what the names stand for
OUT/links.txt           one link a listener
"""

from __future__ import annotations

import base64
import io
import json
import secrets
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from clarion.base.errors import ClarionError
from clarion.base.streams import mix_seed
from clarion.base.version import VERSION
from clarion.domains.audio.sound_file import Sound
from clarion.listen.clips import find_clips, prepared
from clarion.listen.key import SCHEMA_VERSION, Key, Session
from clarion.listen.order import session
from clarion.listen.study import Study
from clarion.run.files import write_folder

PAGE = "page"
LINKS_FILE = "links.txt"

HEARD_S = 2.0
"""Of each of several stimuli, the least to be heard before it is rated, or all of a shorter one.
In other designs a clip is heard to its end."""


def build(
    study: Study, clips: Path, out: Path, progress: Callable[[int, int], None] = lambda i, n: None
) -> Key:
    """Write the folder of a study.

    Args:
        study: what is asked for.
        clips: folder with a folder of clips for each system.
        out: must not exist: its names would change, and answers to the earlier page be lost.
        progress: called with the number of finished items, and of all.

    Raises:
        ClarionError: if `out` exists, or clips are missing or cannot be used.
    """
    if out.exists():
        raise ClarionError(
            f"{out} exists. A study that is built again gets other names, so answers to the "
            "earlier one could no longer be read; choose another folder, or remove that one."
        )
    found = find_clips(study, clips)
    sessions = tuple(_session(study, tuple(found), n) for n in range(study.num_listeners))
    names: dict[str, dict[str, str]] = {item: {} for item in found}
    for trial in (trial for asked in sessions for trial in asked.trials):
        for condition in trial.conditions:
            names[trial.item].setdefault(condition, secrets.token_hex(6))
    open_references = {i: secrets.token_hex(6) for i in found if study.has_open_reference}
    key = Key(
        SCHEMA_VERSION, VERSION, secrets.token_hex(6), study, names, open_references, sessions
    )

    def write(folder: Path) -> None:
        page = folder / PAGE
        for part in ("clips", "listeners"):
            (page / part).mkdir(parents=True)
        for number, (item, sounds) in enumerate(prepared(study, found)):
            written = {names[item][condition]: sounds[condition] for condition in names[item]}
            if item in open_references and study.reference is not None:
                written[open_references[item]] = sounds[study.reference]
            for name, sound in written.items():
                _write_call(page / "clips" / f"{name}.js", "clip", name, _encoded(sound, name))
            progress(number + 1, len(found))
        for part in (files("clarion.listen") / "page").iterdir():
            (page / part.name).write_bytes(part.read_bytes())
        _write_call(page / "study.js", "study", _for_the_page(key))
        for asked in sessions:
            content = _for_the_listener(key, asked)
            _write_call(page / "listeners" / f"{asked.code}.js", "listener", content)
        key.write(folder)
        (folder / LINKS_FILE).write_text("\n".join(links(key, f"{PAGE}/")) + "\n")

    write_folder(out, write)
    return key


def links(key: Key, before: str) -> list[str]:
    """One link a listener.

    Args:
        key: of the study.
        before: where the page is, with a slash at its end.
    """
    return [f"{before}index.html?listener={asked.code}" for asked in key.sessions]


def _session(study: Study, items: tuple[str, ...], listener: int) -> Session:
    scales = [scale.name for scale in study.scales]
    if listener % 2:  # of several questions, the last one comes last for everybody (ITU-T P.835)
        scales[:-1] = scales[-2::-1]
    return Session(secrets.token_hex(8), session(study, items, listener), tuple(scales))


def _encoded(sound: Sound, name: str) -> str:
    """The sound as a FLAC file of 16 bits, in base64.

    Triangular dither makes the rounding sound like faint noise; and since it follows from the
    name, files of the same sound differ, so that their sizes do not tell which are the same.
    """
    import soundfile

    rng = np.random.default_rng(mix_seed(name))
    dither = rng.uniform(-0.5, 0.5, (2, len(sound.samples))).sum(0)
    samples = np.clip(np.round(sound.samples * 2**15 + dither), -(2**15), 2**15 - 1)
    file = io.BytesIO()
    soundfile.write(file, samples.astype(np.int16), sound.sample_rate_hz, "PCM_16", format="FLAC")
    return base64.b64encode(file.getvalue()).decode()


def _for_the_page(key: Key) -> dict[str, Any]:
    """What everybody may know."""
    study = key.study
    return {
        "id": key.id,
        "title": study.title,
        "introduction": study.introduction,
        "shown": study.shown,
        "hasHiddenReference": study.shown == "all" and study.reference is not None,
        "heardS": HEARD_S,
        "headphoneCheck": study.headphone_check,
        "scales": [
            {
                "name": scale.name,
                "question": scale.question,
                "low": scale.low,
                "high": scale.high,
                "labels": scale.labels,
                "isContinuous": scale.is_continuous,
            }
            for scale in study.scales
        ],
    }


def _for_the_listener(key: Key, asked: Session) -> dict[str, Any]:
    """What one listener is asked; a trial that counts looks like one that does not."""
    return {
        "code": asked.code,
        "scales": asked.scales,
        "trials": [
            {
                "isPractice": trial.kind == "practice",
                "clips": key.shown(trial),
                "reference": key.open_references.get(trial.item),
            }
            for trial in asked.trials
        ],
    }


def _write_call(path: Path, function: str, *arguments: str | Mapping[str, Any]) -> None:
    """A script of one call, CLARION.function(arguments)."""
    words = ", ".join(json.dumps(argument) for argument in arguments)
    path.write_text(f"CLARION.{function}({words});\n")
