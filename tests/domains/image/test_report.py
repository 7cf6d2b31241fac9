"""The report against counts made by hand."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from clarion.domains.image.data import ImageData
from clarion.domains.image.report import DataReport


def render(report: DataReport) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200).print(report)
    return stream.getvalue()


def test_counts_range_and_balance(tmp_path: Path, idx) -> None:
    pixels = np.full((6, 2, 2), 10)
    pixels[:, 0, 0] = [10, 20, 30, 40, 50, 60]
    idx(tmp_path / "train-images-idx3-ubyte", pixels)
    idx(tmp_path / "train-labels-idx1-ubyte", np.array([0, 0, 0, 2, 2, 0]))
    report = DataReport.measure(ImageData(str(tmp_path)).open())
    assert report.count == 6
    assert (report.low, report.high) == ((10,), (60,))
    assert report.class_counts == {"0": 4, "1": 0, "2": 2}
    assert report.mean == pytest.approx((pixels.mean() / 255,), rel=1e-14)
    assert report.sigma_data == pytest.approx((pixels.std() / 255,), rel=1e-12)
    assert report.duplicates.num_surplus == 0
    text = render(report)
    assert "3 classes, 0 (1) to 4 (0)" in text
    assert "2 x 2, 1 channels (grey)" in text
    assert "none" in text


def test_duplicates_are_found_across_classes(class_folders: Path) -> None:
    cat, dog = class_folders / "cat", class_folders / "dog"
    (cat / "3.png").write_bytes((cat / "0.png").read_bytes())
    (dog / "2.png").write_bytes((cat / "0.png").read_bytes())
    (dog / "3.png").write_bytes((dog / "1.png").read_bytes())
    for limit in (4.0, 0.0):
        images = ImageData(str(class_folders), memory_limit_gib=limit).open()
        found = DataReport.measure(images).duplicates
        assert (found.num_surplus, found.num_groups, found.num_conflicts) == (3, 2, 1)
        assert found.pairs == (
            (str(cat / "0.png"), str(cat / "3.png")),
            (str(cat / "0.png"), str(dog / "2.png")),
            (str(dog / "1.png"), str(dog / "3.png")),
        )


def test_json_holds_all_and_is_plain(class_folders: Path) -> None:
    (class_folders / "cat" / "[bold]x.png").touch()
    report = DataReport.measure(ImageData(str(class_folders), skip_bad=True).open())
    plain = json.loads(json.dumps(report.to_json()))
    assert plain["count"] == 5
    assert plain["class_counts"] == {"cat": 3, "dog": 2}
    assert plain["skipped"][0]["reason"] == "it is empty (0 bytes)"
    assert "[bold]x.png" in render(report)  # a file's name is no markup


def test_without_labels_and_with_many_classes(tmp_path: Path, idx, rng) -> None:
    idx(tmp_path / "train-images-idx3-ubyte", rng.integers(0, 256, (30, 2, 2)))
    assert "classes" not in render(DataReport.measure(ImageData(str(tmp_path)).open()))
    idx(tmp_path / "train-labels-idx1-ubyte", np.arange(30))
    text = render(DataReport.measure(ImageData(str(tmp_path)).open()))
    assert "30 classes, equally many" in text
    assert "and 10 more" in text
