"""Files that are whole or not there, on disks that are full and in processes that are killed."""

import resource
import shutil
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch

from clarion.base.errors import CheckpointError
from clarion.run.files import read_json, read_tensors, write_bytes, write_folder, write_json
from clarion.run.model import Model


@contextmanager
def no_file_longer_than(num_bytes):
    """A real failure of writing, half-way through a file: EFBIG, as a full disk gives ENOSPC."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def disk(path, size):
    """A real disk of this size."""
    path.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if mount is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_file_is_replaced_in_one_go(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with no_file_longer_than(10), pytest.raises(CheckpointError) as info:
        write_bytes(path, b"x" * 11)
    assert str(info.value) == (
        f"Could not write {path}: File too large. What stood there before is untouched."
    )
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_model_that_cannot_be_written_leaves_the_earlier_one(make_model, tmp_path):
    place, first = tmp_path / "model", make_model()
    first.save(place)
    before = {name: (place / name).read_bytes() for name in names(place)}
    for limit in (200, 50_000):  # fails at the first file; half-way through the weights
        with no_file_longer_than(limit), pytest.raises(CheckpointError) as info:
            make_model(seed=1).save(place)
        assert str(info.value) == (
            f"Could not write {place}: File too large. What stood there before is untouched."
        )
    assert names(tmp_path) == [f"model/{name}" for name in sorted(before)]
    assert {name: (place / name).read_bytes() for name in names(place)} == before
    samples = Model.load(place).sample(2, num_steps=2)
    assert torch.equal(samples, first.sample(2, num_steps=2))


def test_a_full_disk(make_model, tmp_path):
    with disk(tmp_path / "disk", "400k") as full:
        first = make_model()
        first.save(full / "model")  # 150 kB or so: one fits, three do not
        (full / "other").write_bytes(b"x" * 150_000)
        with pytest.raises(CheckpointError, match="No space left on device") as info:
            make_model(seed=1).save(full / "model")
        assert "\n" not in str(info.value)
        assert not [name for name in names(full) if "partial" in name or "earlier" in name]
        samples = Model.load(full / "model").sample(2, num_steps=2)
        assert torch.equal(samples, first.sample(2, num_steps=2))


def test_a_folder_that_may_not_be_written(make_model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"Could not write .*: Not a directory"):
        make_model().save(tmp_path / "file" / "model")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("dies_at", range(4))
def test_whatever_the_instant_of_a_kill_one_whole_folder_is_left(tmp_path, monkeypatch, dies_at):
    """The process dies at the n-th change of the disk and cleans up nothing."""
    path = tmp_path / "model"
    write_folder(path, lambda folder: write_bytes(folder / "a", b"old"))
    changes = iter(range(99))

    def mortal(change):
        def wrapped(*arguments, **options):
            if next(changes) >= dies_at:
                raise Killed
            return change(*arguments, **options)

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", mortal(Path.replace))
        patch.setattr(shutil, "rmtree", mortal(shutil.rmtree))
        with suppress(Killed):
            write_folder(path, lambda folder: (folder / "a").write_bytes(b"new"))
    found = {p.read_bytes() for p in tmp_path.rglob("a") if ".partial" not in str(p)}
    assert b"old" in found or b"new" in found

    def fails(folder):
        raise OSError(28, "No space left on device")

    with pytest.raises(CheckpointError, match="No space left"):
        write_folder(path, fails)
    assert (path / "a").read_bytes() in (b"old", b"new")
    write_folder(path, lambda folder: write_bytes(folder / "a", b"newer"))
    assert {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("a")} == {
        "model/a": b"newer"
    }


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_folder_leaves_nothing(tmp_path, error):
    def interrupted(folder):
        (folder / "a").write_bytes(b"half")
        raise error

    with pytest.raises(error):
        write_folder(tmp_path / "model", interrupted)
    assert not list(tmp_path.iterdir())


def test_json_reads_back_and_is_refused_if_it_is_none(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, 1 / 3, None]})
    assert read_json(tmp_path / "a.json") == {"x": [1, 1 / 3, None]}
    (tmp_path / "a.json").write_text('{"x": ')
    with pytest.raises(CheckpointError, match=r"a\.json cannot be read"):
        read_json(tmp_path / "a.json")
    with pytest.raises(CheckpointError, match=r"b\.json is missing"):
        read_json(tmp_path / "b.json")
    with pytest.raises(CheckpointError, match="is missing"):
        read_tensors(tmp_path)
