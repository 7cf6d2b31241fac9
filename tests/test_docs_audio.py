"""The page on sounds: its commands run, on a few small files."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from clarion.cli.main import main
from clarion.domains.audio.evaluation import WER
from clarion.domains.audio.metrics.tables import SPEECH_METRICS

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "audio.md").read_text()
DIGITS = json.loads((ROOT / "benchmarks" / "results" / "digits.json").read_text())["results"]
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("clarion")
]
SMALL = {
    "digits": "--network.base-channels 8 --network.head-width 8",
    "enhancement": "--network.base-channels 8 --network.channel-multipliers 1",
    "vocoder": "--network.channels 8 --network.num-layers 1",
    "diffwave": "--network.channels 4 --network.num-layers 2 --data.duration-s 0.128",
}
"""Recipe -> flags of a small network."""


def digits_table() -> str:
    """How often digits and speakers are heard as asked, with intervals of 95 %."""
    rows = ["| | digit, % | speaker, % |", "|---|---|---|"]
    for name, row in DIGITS["heard"].items():
        cells = [
            f"{100 * of['value']:.1f} [{100 * of['low']:.1f}, {100 * of['high']:.1f}]"
            for of in (row["digit"], row["speaker"])
        ]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def test_what_is_heard_of_digits_is_what_was_measured() -> None:
    assert digits_table() in PAGE
    heard = DIGITS["heard"]
    assert heard["drawn, 4 steps"]["digit"]["value"] > heard["drawn, 12 steps"]["digit"]["value"]
    assert DIGITS["audit"]["memorisation p"]["value"] > 0.05


def write(path: Path, pitch_hz: float, noise: float, rate_hz: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(rate_hz // 4) / rate_hz
    rng = np.random.default_rng(round(pitch_hz))
    wave = 0.3 * np.sin(2 * np.pi * pitch_hz * t) + noise * rng.standard_normal(len(t))
    soundfile.write(path, wave * np.hanning(len(t)), rate_hz)


def test_its_commands_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for digit in (6, 7):
        for number, speaker in enumerate(("george", "theo")):
            for index in range(4, 8):
                name = f"recordings/{digit}_{speaker}_{index}.wav"
                write(Path(name), 100 * digit + 50 * number + index, 0.01)
    write(Path("noisy.wav"), 300, 0.1, 16_000)
    for folder, noise in {"clean": 0.0, "noisy": 0.1, "enhanced": 0.02}.items():
        for number in range(3):
            write(Path(folder, f"{number}.wav"), 300 + 10 * number, noise)
    write(Path("one.wav"), 200, 0.01, 16_000)
    for number in range(6):
        write(Path("speech", f"{number}.wav"), 200 + 10 * number, 0.01, 16_000)
    np.save("levels.npy", np.full((80, 20), -40.0))
    assert len(COMMANDS) == 17
    for line in COMMANDS:
        more = {"sample": "--num-steps 1"}.get(line.split()[1], "")
        if "clarion train" in line:
            more = f"{SMALL[line.split()[2]]} --num-steps 2 --batch-size 4"
        more = "--metrics si_sdr" if "evaluate speech" in line else more
        assert main(shlex.split(f"{line} {more}")[1:]) == 0, line
    made = ("again.wav", "again.png", "vocoded/5.wav", "spoken.wav", "clear.png")
    for name in ("seven.wav", "seven.png", "sevens/000059.wav", "theo.png", *made):
        assert Path(name).is_file()
    assert len(list(Path("cleared").glob("*.wav"))) == 16
    assert "(paired)" in capsys.readouterr().out


def test_it_names_all_metrics() -> None:
    assert re.findall(r"^\| `(\w+)` \| [^|]* \| [^|]*(?:pip|same|nothing)", PAGE, re.M) == [
        *SPEECH_METRICS,
        WER,
    ]
