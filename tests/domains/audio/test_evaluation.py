"""`clarion evaluate speech` pairs files, takes delays out, and compares cards over files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clarion.base.errors import ClarionError, DataError
from clarion.cli.main import main
from clarion.domains.audio import evaluation
from clarion.domains.audio.evaluation import SpeechEvaluation, pair_files
from clarion.domains.audio.metrics.speaker import speaker_similarity

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")

RATE_HZ = 16_000


def speechlike(seed: int, duration_s: float = 2.0) -> np.ndarray:
    """A harmonic sound whose pitch glides and whose loudness comes in syllables."""
    t = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t + seed)) / RATE_HZ
    voice = sum(np.sin(k * phase) / k for k in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 3 * t), 0, None) ** 0.5
    return 0.1 * voice * syllables + 1e-4 * rng.standard_normal(len(t))


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Clean speech, the same in noise at two levels, and one that comes 20 ms later."""
    rng = np.random.default_rng(5)
    for number in range(3):
        clean = speechlike(number)
        noise = 0.02 * rng.standard_normal(len(clean))
        late = np.concatenate([np.zeros(320), clean + 0.1 * noise])
        of = {"clean": clean, "noisy": clean + noise, "better": clean + 0.1 * noise, "late": late}
        for name, samples in of.items():
            (tmp_path / name).mkdir(exist_ok=True)
            soundfile.write(tmp_path / name / f"{number}.wav", samples, RATE_HZ, "FLOAT")
    return {name: tmp_path / name for name in ("clean", "noisy", "better", "late")}


def run(folder: Path, clean: Path, *metrics):
    asked = SpeechEvaluation(str(folder), str(clean), metrics or ("si_sdr",))
    return asked.run(lambda done, of: None)


def test_si_sdr_is_that_of_the_noise(folders):
    metric = run(folders["noisy"], folders["clean"]).metrics["si_sdr"]
    ratios = []
    for file in sorted(folders["clean"].iterdir()):
        clean, noisy = (soundfile.read(folders[n] / file.name)[0] for n in ("clean", "noisy"))
        ratios.append(10 * np.log10(np.sum(clean**2) / np.sum((noisy - clean) ** 2)))
    assert metric.n == 3
    assert metric.parts == pytest.approx(ratios, abs=0.1)  # noise is nearly orthogonal to speech
    assert metric.low is not None
    assert metric.low < metric.value


def test_a_delay_changes_nothing(folders):
    on_time = run(folders["better"], folders["clean"])
    late = run(folders["late"], folders["clean"])
    assert late.details["delays_s"] == pytest.approx([0.02] * 3)
    assert late.metrics["si_sdr"].parts == pytest.approx(on_time.metrics["si_sdr"].parts, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "package"), [("pesq", "pesq"), ("estoi", "pystoi"), ("dnsmos", "onnxruntime")]
)
def test_less_noise_is_better(folders, name, package):
    pytest.importorskip(package)
    if name == "dnsmos":
        pytest.importorskip("speechmos")
    noisy, better = (run(folders[n], folders["clean"], name) for n in ("noisy", "better"))
    assert better.metrics[name].value > noisy.metrics[name].value


def test_cards_are_compared_over_files(folders, tmp_path: Path, capsys):
    for name in ("noisy", "better"):
        words = [str(folders[name]), "--clean", str(folders["clean"]), "--metrics", "si_sdr"]
        assert main(["evaluate", "speech", *words, "--out", str(tmp_path / f"{name}.json")]) == 0
    assert "si_sdr" in capsys.readouterr().out
    cards = [str(tmp_path / "noisy.json"), str(tmp_path / "better.json")]
    assert main(["evaluate", "--compare", *cards, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["is_paired"]
    assert found["differences"]["si_sdr"]["value"] == pytest.approx(20, abs=0.3)


def test_files_must_be_pairs(folders, tmp_path: Path):
    (folders["noisy"] / "2.wav").rename(folders["noisy"] / "3.wav")
    with pytest.raises(DataError, match=r"without a partner: .*noisy/3\.wav, .*clean/2\.wav"):
        pair_files(folders["noisy"], folders["clean"])
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="No sounds found"):
        pair_files(tmp_path / "none", folders["clean"])
    with pytest.raises(DataError, match="There is no folder or file"):
        pair_files(tmp_path / "nowhere", folders["clean"])
    one, other = folders["noisy"] / "0.wav", folders["clean"] / "1.wav"
    assert pair_files(one, other) == {"0": (one, other)}


def test_silence_is_named(folders):
    soundfile.write(folders["noisy"] / "1.wav", np.zeros(RATE_HZ), RATE_HZ)
    with pytest.raises(DataError, match=r"noisy/1\.wav beside .*not defined for silence"):
        run(folders["noisy"], folders["clean"])


class Echo:
    """Hears a word in each sound that is loud."""

    def words(self, samples):
        return ["one"] if np.abs(samples).max() > 0.1 else []


def test_words_are_held_against_texts_or_against_what_is_clean(folders, monkeypatch):
    monkeypatch.setattr(evaluation, "Listener", lambda folder: Echo())
    rows = ["file_name,text", "0.wav,ONE.", "1.wav,"]  # of 1 and 2 nothing is known
    (folders["clean"] / "metadata.csv").write_text("\n".join(rows))
    ask = SpeechEvaluation(
        str(folders["noisy"]), str(folders["clean"]), ("wer",), whisper=str(folders["clean"])
    )
    assert ask.run(lambda done, of: None).metrics["wer"].parts == (0, 0, 0)
    (folders["clean"] / "metadata.csv").write_text("file_name,text\n0.wav,one two three four\n")
    assert ask.run(lambda done, of: None).metrics["wer"].parts == (0.75, 0, 0)
    for settings in ({"metrics": ("wer",)}, {"metrics": ("si_sdr",), "whisper": "x"}):
        with pytest.raises(ClarionError, match="wer needs whisper"):
            SpeechEvaluation("a", "b", **settings)


def test_a_voice_is_most_like_itself(folders):
    pytest.importorskip("resemblyzer")
    file = soundfile.read(folders["clean"] / "0.wav")[0]
    assert speaker_similarity(file, file) == pytest.approx(1, abs=1e-5)
    with pytest.raises(DataError, match="no voice"):
        speaker_similarity(np.zeros(16_000), file)
