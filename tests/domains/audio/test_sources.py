"""What names, folders and tables tell of sounds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clarion.base.errors import DataError
from clarion.domains.audio.data import AudioData
from clarion.domains.audio.sound_file import read_sound
from clarion.domains.audio.sources import holds_sounds, open_source


def test_names_of_files_tell_columns(spoken: Path):
    source = open_source(str(spoken), name_pattern="{digit}_{speaker}_{index}")
    assert source.columns() == ("digit", "speaker", "index")
    assert len(source) == 16
    assert source.cells("digit") == ["0"] * 8 + ["1"] * 8
    assert source.cells("index") == ["0", "1", "2", "3"] * 4
    assert source.name(5).endswith("0_bob_1.wav")
    with pytest.raises(DataError, match="Did you mean 'digit'"):
        source.cells("digits")
    with pytest.raises(DataError, match="is not called as name_pattern"):
        open_source(str(spoken), name_pattern="{digit}-{speaker}")
    with pytest.raises(DataError, match="name columns in braces"):
        open_source(str(spoken), name_pattern="digit")


def test_folders_are_labels(write_tone, tmp_path: Path):
    for name in ("cat/a.wav", "dog/deep/b.flac", "dog/c.wav"):
        write_tone(name)
    source = open_source(str(tmp_path))
    assert source.columns() == ("label",)
    assert source.cells("label") == ["cat", "dog", "dog"]
    write_tone("loose.wav")
    assert open_source(str(tmp_path)).columns() == ()


def test_metadata_tells_columns(write_tone, tmp_path: Path):
    for name in ("a.wav", "b.wav", "c.wav"):
        write_tone(name)
    (tmp_path / "metadata.csv").write_text("file_name,mood\na.wav,glad\nc.wav,sad\n")
    source = open_source(str(tmp_path))
    assert source.cells("mood") == ["glad", None, "sad"]
    with pytest.raises(DataError, match="has a column 'mood', which the names"):
        open_source(str(tmp_path), name_pattern="{mood}")


def test_librispeech_is_known_by_its_layout(write_tone, tmp_path: Path):
    for name in ("19/198/19-198-0000.flac", "19/198/19-198-0001.flac", "26/495/26-495-0000.flac"):
        write_tone(f"train-clean/{name}")
    folder = tmp_path / "train-clean"
    (folder / "19/198/19-198.trans.txt").write_text("19-198-0000 NORTH WIND\n19-198-0001 AND SUN\n")
    (folder / "26/495/26-495.trans.txt").write_text("26-495-0000 HELLO\n")
    source = open_source(str(folder))
    assert source.columns() == ("speaker", "chapter", "text")
    assert source.cells("speaker") == ["19", "19", "26"]
    assert source.cells("chapter") == ["198", "198", "495"]
    assert source.cells("text") == ["NORTH WIND", "AND SUN", "HELLO"]
    (folder / "26/495/26-495.trans.txt").write_text("")
    with pytest.raises(DataError, match="has no line for 26-495-0000"):
        open_source(str(folder))


def parquet_of(folder: Path, paths: list[Path], is_told: bool = True) -> Path:
    """A parquet file of sounds, as `datasets` writes it."""
    datasets = pytest.importorskip("datasets")
    cells = [{"bytes": path.read_bytes(), "path": path.name} for path in paths]
    table = datasets.Dataset.from_dict({"audio": cells, "digit": list(range(len(paths)))})
    if is_told:
        table = table.cast_column("audio", datasets.Audio(decode=False))
    table.to_parquet(folder / "sounds.parquet")
    return folder / "sounds.parquet"


@pytest.mark.parametrize("is_told", [True, False])
def test_tables_hold_sounds(write_tone, tmp_path: Path, is_told):
    paths = [write_tone("a.wav", 300), write_tone("b.flac", 500)]
    file = parquet_of(tmp_path, paths, is_told)
    source = open_source(str(file))
    assert source.columns() == ("digit",)
    assert list(source.cells("digit")) == [0, 1]
    assert source.name(1).endswith("row 1 (b.flac)")
    held = source.fetch(1)
    assert isinstance(held, bytes)
    assert (read_sound(held).samples == read_sound(paths[1]).samples).all()
    assert holds_sounds(str(file)) is is_told  # without a word on it, it may hold pictures
    with pytest.raises(DataError, match="Unknown audio_column 'digit'"):
        open_source(str(file), audio_column="digit")


def test_the_hub_holds_sounds(write_tone, tmp_path: Path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    path = write_tone("a.wav")
    cells = [{"bytes": path.read_bytes(), "path": path.name}] * 2
    table = datasets.Dataset.from_dict({"audio": cells, "digit": [0, 1]})
    asked = []

    def serve(*args, **options):
        asked.append((args, options))
        return table.cast_column("audio", datasets.Audio(decode=False))

    monkeypatch.setattr(datasets, "load_dataset", serve)
    sounds = AudioData("owner/name", split="test", subset="big", conditions=("digit=class",)).open()
    assert asked == [(("owner/name", "big"), {"split": "test"})]
    assert sounds.name(1) == "owner/name (test), row 1 (a.wav)"
    expected = torch.from_numpy(read_sound(path).samples).float()
    waveforms, condition = sounds.batch(torch.tensor([1]))
    assert torch.equal(waveforms[0], expected)
    assert condition.values["digit"].tolist() == [1]
    with pytest.raises(DataError, match="split and subset are for data sets of the hub"):
        open_source(str(tmp_path), split="test")


def test_the_hub_fails_in_one_line(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def fail(*_args, **_options):
        raise ConnectionError("Couldn't reach it")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(DataError, match="seems to be offline"):
        open_source("owner/name")


def test_what_is_no_source_is_said(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(DataError, match="No sounds found in"):
        open_source(str(tmp_path))
    with pytest.raises(DataError, match=r"notes\.txt is no source of sounds"):
        open_source(str(tmp_path / "notes.txt"))
    with pytest.raises(DataError, match="There is no folder or file"):
        open_source(str(tmp_path / "none"))
    assert not holds_sounds(str(tmp_path))
