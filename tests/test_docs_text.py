"""The page on texts: its code runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from clarion.base.vocabulary import Vocabulary
from clarion.nets.transformer import TransformerConfig
from clarion.process.tokens import Masking
from clarion.run.config import ModelConfig
from clarion.run.model import Model

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "text.md").read_text()


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
