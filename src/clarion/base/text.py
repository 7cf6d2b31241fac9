"""Texts as sequences of vectors, by encoders that others have trained.

`wordllama` needs no network and no accelerator: a tokeniser and one vector of 256 numbers for each
of its 32 000 tokens lie within the package of that name (MIT licence). The vectors do not depend on
their neighbours; what a sentence means is left to the model that is conditioned on it.
`transformers:NAME` is any model of that library, such as `transformers:google-t5/t5-small`, from
its cache, a folder or the hub.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.names import NameTable
from clarion.base.pretrained import load_pretrained


class TextEncoder(ABC):
    """Gives each token of a text a vector of `size` numbers.

    Args:
        model: which model, what stands behind the colon in the name of the encoder.
    """

    size: int

    @abstractmethod
    def __init__(self, model: str) -> None: ...

    @abstractmethod
    def tokens(self, text: str) -> list[int]:
        """Numbers of the tokens of one text; quick, so that many can be counted and kept."""

    @abstractmethod
    def vectors(self, tokens: Tensor) -> Tensor:
        """(length,) int64 tokens of one text -> (length, size) float32."""


class WordLlamaEncoder(TextEncoder):
    """The vectors that lie within the package `wordllama`, read without running its code."""

    def __init__(self, model: str = "") -> None:
        if model:
            raise ClarionError(f"The text encoder wordllama has one model only, got {model!r}.")
        package = importlib.util.find_spec("wordllama")
        if package is None or package.origin is None:
            raise ClarionError(
                "The text encoder 'wordllama' needs the package wordllama, which is not installed. "
                "Install it with: pip install 'clarion[text]'"
            )
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        folder = Path(package.origin).parent
        tokenizer = folder / "tokenizers" / "l2_supercat_tokenizer_config.json"
        weights = folder / "weights" / "l2_supercat_256.safetensors"
        for file in (tokenizer, weights):
            if not file.is_file():
                raise ClarionError(
                    f"The installed package wordllama lacks {file.name}; install version 0.4."
                )
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._vectors = load_file(weights)["embedding.weight"]
        self.size = self._vectors.shape[1]

    def tokens(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def vectors(self, tokens: Tensor) -> Tensor:
        return self._vectors[tokens].float()


class TransformersEncoder(TextEncoder):
    """The last hidden states of a text encoder of the library `transformers`."""

    def __init__(self, model: str) -> None:
        if not model:
            raise ClarionError(
                "The text encoder transformers needs the name of a model, such as "
                "'transformers:google-t5/t5-small'."
            )
        name = f"text encoder 'transformers:{model}'"
        self._tokenizer, whole = load_pretrained(name, model, "AutoTokenizer")
        if getattr(whole.config, "is_encoder_decoder", False):
            whole = whole.get_encoder()
        self._model = getattr(whole, "text_model", whole).eval()  # CLIP has pictures as well
        self.size = self._model.config.hidden_size

    def tokens(self, text: str) -> list[int]:
        return self._tokenizer(text)["input_ids"]

    @torch.no_grad()
    def vectors(self, tokens: Tensor) -> Tensor:
        ids = tokens[None]
        states = self._model(input_ids=ids, attention_mask=torch.ones_like(ids))
        return states.last_hidden_state[0].float()


TEXT_ENCODERS: NameTable[type[TextEncoder]] = NameTable(
    "text encoder", {"wordllama": WordLlamaEncoder, "transformers": TransformersEncoder}
)
"""Name -> encoder; the name of a model may follow after a colon."""


@cache
def open_text_encoder(name: str) -> TextEncoder:
    """Load the encoder "wordllama" or "transformers:NAME", once.

    Raises:
        ClarionError: for an unknown name, a package that is not installed, or a model that cannot
            be had.
    """
    kind, _, model = name.partition(":")
    return TEXT_ENCODERS[kind](model)


def encode_texts(name: str, texts: Sequence[str], max_tokens: int) -> Tensor:
    """Texts as (n, max_tokens, size) float32; rows of zeros stand behind the end of each.

    Raises:
        ClarionError: for a text of more tokens than `max_tokens`, or as `open_text_encoder`.
    """
    encoder = open_text_encoder(name)
    tokens = [tuple(encoder.tokens(text)) for text in texts]
    for text, found in zip(texts, tokens, strict=True):
        if len(found) > max_tokens:
            raise ClarionError(
                f"A text may have {max_tokens} tokens of {name}, got {len(found)}: {text[:60]!r}."
            )
    return encode_tokens(name, tokens, max_tokens)


def encode_tokens(name: str, texts: Sequence[tuple[int, ...]], max_tokens: int) -> Tensor:
    """Texts as tokens, at most `max_tokens` each -> (n, max_tokens, size) float32, as above."""
    encoder = open_text_encoder(name)
    out = torch.zeros(len(texts), max_tokens, encoder.size)
    known: dict[tuple[int, ...], Tensor] = {}
    for row, tokens in zip(out, texts, strict=True):
        if tokens not in known:
            known[tokens] = encoder.vectors(torch.tensor(tokens, dtype=torch.int64))
        row[: len(tokens)] = known[tokens]
    return out
