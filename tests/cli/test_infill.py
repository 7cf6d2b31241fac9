"""Known parts of sequences at the command line."""

from __future__ import annotations

import csv
import shlex
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from clarion.base.vocabulary import PADDING, Vocabulary
from clarion.cli.main import main
from clarion.guide.tokens import Infill
from clarion.nets.transformer import TransformerConfig
from clarion.process.tokens import Masking, TokenProcess, Uniform
from clarion.run.config import ModelConfig
from clarion.run.model import Model
from clarion.sample.tables import TOKEN_SAMPLERS

LENGTH = 7
LETTERS = Vocabulary(tuple("ab cd"))
MOLECULES = Vocabulary(("C", "Cl", "[O-]", "(", ")", PADDING), PADDING)
OF_A_REWARD = {name: name + ":{}#spaces:1:4" for name in ("particles", "svdd")}

REWARD = "def spaces(x, condition):\n    return (x == 2).sum(1).double()\n"

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Saves a model none of whose weights is 0, and gives its folder."""

    def write(vocabulary: Vocabulary, process: type[TokenProcess] = Masking) -> Path:
        network = TransformerConfig(width=16, num_blocks=1, head_width=8)
        config = ModelConfig((LENGTH,), {}, network, process(vocabulary.size), domain="sequence")
        torch.manual_seed(0)
        denoiser = config.build()
        with torch.no_grad():
            for weight in denoiser.network.parameters():
                weight.add_(0.1 * torch.randn_like(weight))
        path = tmp_path / "model"
        Model(config, denoiser, vocabulary).save(path)
        return path

    return write


def sample(model: Path, *words: object) -> list[str]:
    """The texts that the command writes."""
    out = model.parent / "s.csv"
    assert main(["sample", str(model), "--out", str(out), *map(str, words)]) == 0
    with out.open(newline="") as stream:
        return [row["sequence"] for row in csv.DictReader(stream)]


@pytest.mark.parametrize("name", TOKEN_SAMPLERS)
def test_what_is_known_is_kept_to_the_letter(save: Save, tmp_path: Path, name: str) -> None:
    model = save(LETTERS)
    (tmp_path / "own.py").write_text(REWARD)
    sampler = OF_A_REWARD.get(name, name).format(tmp_path / "own.py")
    asked = "--n", 30, "--num-steps", 5, "--sampler", sampler
    texts = sample(model, *asked, "--infill", "b {3}da")
    assert {(text[:2], text[5:]) for text in texts} == {("b ", "da")}
    assert len({text[2:5] for text in texts}) > 10
    assert texts == sample(model, *asked, "--inpaint", "b {3}da")  # one option of two names
    assert not all(text.startswith("b ") for text in sample(model, *asked))


def test_molecules_are_read_token_by_token_and_may_end_early(save: Save) -> None:
    model = save(MOLECULES)
    texts = sample(model, "--n", 60, "--infill", "Cl[O-]{}")
    assert all(text.startswith("Cl[O-]") for text in texts)
    lengths = Counter(len(MOLECULES.cut(text)) for text in texts)
    assert min(lengths) < LENGTH <= max(lengths)
    whole = sample(model, "--n", 60, "--infill", "Cl{1}C(")  # nothing stands behind
    assert max(len(MOLECULES.cut(text)) for text in whole) == 4
    assert all(text.endswith("C(") or text == "Cl" for text in whole)


def test_a_gap_of_one_follows_what_the_network_says_of_it(save: Save) -> None:
    folder = save(LETTERS)
    model, n = Model.load(folder), 4000
    shown = torch.tensor([[*LETTERS.numbers("ab cda"), LETTERS.size]])
    logits = model.denoiser.network(shown.roll(3, 1), torch.ones(1), None)[0, 2]
    expected = logits.double().softmax(0)
    assert expected.max() > 1.5 * expected.min()
    words = "--n", n, "--num-steps", 1, "--batch-size", 4000
    counts = Counter(text[2] for text in sample(folder, *words, "--infill", "da{1}ab c"))
    found = torch.tensor([counts[letter] / n for letter in LETTERS.tokens])
    # Four standard errors of each share.
    assert ((found - expected).abs() < 4 * (expected * (1 - expected) / n).sqrt()).all()


def test_the_same_in_python(save: Save) -> None:
    folder = save(LETTERS)
    model = Model.load(folder)
    rule = Infill.of("{}bad", LETTERS, LENGTH)
    drawn = model.sample(8, guidance=rule, seed=3, num_steps=4)
    texts = sample(folder, "--n", 8, "--seed", 3, "--num-steps", 4, "--infill", "{}bad")
    assert texts == model.codec.texts(drawn)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "--infill 'ab{}x'",
            "The template 'ab{}x': unknown letter 'x' in place 1 of 'x'. Known: a b ' ' c d.",
        ),
        ("--infill 'abcdabcd{}'", "The template has 8 tokens, 0 of them free, and a sequence of"),
        ("--infill 'abc'", "exactly 7. Write {} where the other 4 stand. {5} stands for five"),
        ("--infill", "--infill takes a sequence with gaps in one word, such as --infill 'In the"),
        ("--infill a {}", "beginning{}'; got 'a' '{}'."),
        ("--inpaint cat.png mask.png", "--infill 'In the beginning{}'; got 'cat.png' 'mask.png'"),
        ("--infill 'a{}' --inpaint 'b{}'", "may be given once, got 2 of them"),
    ],
)
def test_mistakes_are_named(save: Save, words: str, message: str, capsys) -> None:
    model = save(LETTERS)
    assert main(["sample", str(model), *shlex.split(words)]) == 1
    assert message in capsys.readouterr().err


def test_models_that_cannot_be_told_are_refused(save: Save, saved_model: Path, capsys) -> None:
    assert main(["sample", str(save(LETTERS, Uniform)), "--infill", "ab{}"]) == 1
    refused = capsys.readouterr().err
    assert "Infill(2 of 7 tokens known) cannot steer a model of Uniform(vocabulary=5" in refused
    assert refused.endswith("; it steers those of Masking.\n")
    assert main(["sample", str(saved_model), "--infill", "ab{}"]) == 1
    assert "--inpaint takes a picture and a mask, such as" in capsys.readouterr().err
