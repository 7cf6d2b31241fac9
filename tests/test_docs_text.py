"""The page on texts: its code runs, its command is the one measured, and so are its figures."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from clarion.base.vocabulary import Vocabulary
from clarion.cli.train import parse
from clarion.domains.sequence.data import SequenceData
from clarion.nets.transformer import TransformerConfig
from clarion.process.tokens import Masking
from clarion.run.config import ModelConfig
from clarion.run.model import Model
from clarion.run.serialize import to_json

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "text.md").read_text()
RECORD = json.loads((ROOT / "benchmarks" / "results" / "text.json").read_text())
FOUND, SETTINGS = RECORD["results"], RECORD["settings"]


def table() -> str:
    whole, gap = FOUND["bits_per_character"], FOUND["gap_bits_per_character"]

    def bound(of: dict[str, float]) -> str:
        return f"at most {of['mean']:.2f} ± {of['standard_error']:.2f}"

    def exact(of: dict[str, float]) -> str:
        return f"{of['mean']:.2f}"

    best = min(whole["n_grams"].values())
    rows = [
        f"| next token | {exact(whole['autoregressive'])} | {exact(gap['autoregressive'])} |",
        f"| masked diffusion | {bound(whole['diffusion'])} | {bound(gap['diffusion'])} |",
        f"| counts of six in a row | {best:.2f} | |",
        f"| `xz -9e`, looking back through the book | {whole['xz']:.2f} | |",
    ]
    assert best == whole["n_grams"]["5"]
    return "\n".join(["| bits a character | windows | gaps |", "|---|---|---|", *rows])


def test_the_figures_are_what_was_measured() -> None:
    assert table() in PAGE
    assert not RECORD["is_quick"]
    assert (SETTINGS["length"], SETTINGS["gap"]) == (128, 16)
    reached = FOUND["training"]["diffusion"]["bits_per_character"][-1]
    losses = FOUND["training"]["autoregressive"]
    as_far = next(
        step
        for step, bits in zip(losses["steps"], losses["bits_per_character"], strict=True)
        if bits <= reached
    )
    assert f"by step {as_far} of {SETTINGS['steps']:,}" in PAGE.replace("\n", " ")
    for example in FOUND["samples"]["filled"]:
        shown = f"{example['before'][-30:]}[{example['drawn'][0]}]{example['after'][:30]}"
        assert " ".join(shown.split()) in PAGE


def test_the_command_trains_what_was_measured() -> None:
    page = PAGE.replace("\\\n", " ")
    (line,) = re.findall(r"clarion (train text .*--num-steps .*)", page)
    _, _, config = parse(shlex.split(line)[1:])
    assert config.network == TransformerConfig(**SETTINGS["network"])
    assert to_json(config.optimizer) == SETTINGS["optimizer"]
    assert (config.batch_size, config.num_steps) == (SETTINGS["batch"], SETTINGS["steps"])
    assert isinstance(config.data, SequenceData)
    assert (config.data.length, config.data.stride) == (SETTINGS["length"], SETTINGS["stride"])


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (begun,) = re.findall(r'text = "(.*)"', block)
    vocabulary = Vocabulary.of([begun])
    network = TransformerConfig(width=8, num_blocks=1, head_width=4)
    config = ModelConfig((128,), {}, network, Masking(vocabulary.size), domain="sequence")
    torch.manual_seed(0)
    Model(config, config.build(), vocabulary).save(tmp_path / "runs" / "kjv")
    monkeypatch.chdir(tmp_path)
    told: dict[str, Any] = {}
    exec(block, told)
    assert told["text"].startswith(begun)
    assert len(told["text"]) >= 1000
