"""Text encoders: the packaged vectors against the file itself, no network, good errors."""

import importlib.util
import json
import socket
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from clarion.base.condition import TextEntry, encode_condition
from clarion.base.errors import ClarionError, UnknownNameError
from clarion.base.text import encode_texts, open_text_encoder

FOLDER = Path(importlib.util.find_spec("wordllama").origin).parent


@pytest.fixture(autouse=True)
def afresh():
    open_text_encoder.cache_clear()
    yield
    open_text_encoder.cache_clear()


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_wordllama_gives_the_vectors_of_its_tokens(no_network):
    vocabulary = json.loads(
        (FOLDER / "tokenizers" / "l2_supercat_tokenizer_config.json").read_text(encoding="utf-8")
    )["model"]["vocab"]
    ids = [vocabulary[token] for token in ("▁A", "▁red", "▁round", "▁sh", "irt")]
    with safe_open(FOLDER / "weights" / "l2_supercat_256.safetensors", "pt") as file:
        rows = file.get_slice("embedding.weight")
        expected = torch.cat([rows[i : i + 1] for i in ids]).float()
    got = encode_texts("wordllama", ["A red round shirt", "A", ""], 6)
    assert got.shape == (3, 6, 256)
    assert torch.equal(got[0, :5], expected)
    assert torch.equal(got[1, :1], expected[:1])
    assert not got[0, 5:].any()
    assert not got[1, 1:].any()
    assert not got[2].any()
    assert "wordllama" not in sys.modules  # only its files are read


def test_no_token_has_a_vector_of_zeros(no_network):
    """Such a one would be taken for the end of the text."""
    encoder = open_text_encoder("wordllama")
    assert encoder._vectors.abs().sum(1).min() > 0
    assert encoder.size == 256


def test_texts_as_a_condition(no_network):
    spec = {"caption": TextEntry(max_tokens=4)}
    one = encode_condition(spec, {"caption": "red shirt"}, 2)
    expected = encode_texts("wordllama", ["red shirt"] * 2, 4)
    assert torch.equal(one.values["caption"], expected)
    some = encode_condition(spec, {"caption": ["bag", None, ""]}, 3)
    assert some.present["caption"].tolist() == [True, False, True]
    assert torch.equal(some.values["caption"][:1], encode_texts("wordllama", ["bag"], 4))


@pytest.mark.parametrize(
    ("entry", "given", "message"),
    [
        (TextEntry(), 3, "'it' must be a text, or texts, got 3"),
        (TextEntry(), ["a", 3], "'it' must be a text, or texts"),
        (TextEntry(), ["a"] * 3, "'it' has 3 values for 2 samples; give one or 2"),
        (TextEntry(max_tokens=2), "a b c", "'it': A text may have 2 tokens of wordllama, got 3"),
        (TextEntry(size=8), "a", "'it' has vectors of size 8, but wordllama gives 256"),
        (TextEntry("wordllama:big"), "a", "'it': The text encoder wordllama has one model only"),
        (TextEntry("transformers"), "a", "'it': The text encoder transformers needs the name"),
    ],
)
def test_bad_texts(entry, given, message):
    with pytest.raises(ClarionError, match=message):
        encode_condition({"it": entry}, {"it": given}, 2)


def test_unknown_encoders():
    with pytest.raises(UnknownNameError, match=r"encoder 'wordlama'\. Did you mean 'wordllama'"):
        TextEntry("wordlama")
    with pytest.raises(ClarionError, match="max_tokens must be at least 1"):
        TextEntry(max_tokens=0)


def test_packages_that_are_missing_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        ClarionError, match=r"'transformers:x' needs the package transformers.*\[te"
    ):
        open_text_encoder("transformers:x")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ClarionError, match=r"'wordllama' needs the package.*'clarion\[text\]'"):
        open_text_encoder("wordllama")


def test_a_model_of_transformers(tmp_path, no_network):
    transformers = pytest.importorskip("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "shirt"]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    transformers.BertTokenizer(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(vocab_size=6, intermediate_size=8, **sizes)
    model = transformers.BertModel(config).eval()
    model.save_pretrained(tmp_path)
    name = f"transformers:{tmp_path}"
    got = encode_texts(name, ["red shirt", "red"], 5)
    with torch.no_grad():
        expected = model(torch.tensor([[2, 4, 5, 3]])).last_hidden_state[0]
    torch.testing.assert_close(got[0, :4], expected, rtol=0, atol=1e-6)
    assert not got[0, 4].any()
    assert not got[1, 3:].any()
    with pytest.raises(ClarionError, match=r"'transformers:.*nowhere' cannot be loaded"):
        open_text_encoder(f"transformers:{tmp_path / 'nowhere'}")
