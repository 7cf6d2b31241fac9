"""The map between texts and the numbers of their tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from clarion.base.codec import Codec
from clarion.base.errors import ClarionError

PADDING = "<pad>"
"""The token that fills up short sequences; never read out of a text, so it may stand in one."""

MOST_KNOWN = 40  # tokens that a message lists


@dataclass(frozen=True)
class Vocabulary(Codec):
    """Token number i stands for the text `tokens[i]`.

    It is fitted once on the training data, or given by an alphabet, and saved with the model, where
    models of numbers have a `Normalizer`.

    Args:
        tokens: of one character or several ("C", "Cl", "[nH]"), each once; at least 2.
        padding: the one of them that fills up what is shorter than others; None if nothing is.

    Example:
        >>> vocabulary = Vocabulary(("C", "Cl", "O", "<pad>"), "<pad>")
        >>> vocabulary.numbers("CClO", length=5)
        [0, 1, 2, 3, 3]
        >>> vocabulary.texts(torch.tensor([[0, 1, 2, 3, 3]]))
        ['CClO']
    """

    called: ClassVar[str] = "vocabulary"

    tokens: tuple[str, ...]
    padding: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.tokens, str):
            raise ClarionError(f"tokens must be a tuple of texts, got {self.tokens!r}.")
        if len(self.tokens) < 2 or not all(self.tokens):
            raise ClarionError(
                f"tokens must be at least 2, none of them empty, got {_list(self.tokens)}."
            )
        if len(set(self.tokens)) < len(self.tokens):
            twice = next(token for token in self.tokens if self.tokens.count(token) > 1)
            raise ClarionError(f"tokens must differ from each other, got {twice!r} twice.")
        if self.padding is not None and self.padding not in self.tokens:
            raise ClarionError(
                f"padding must be one of the tokens, got {self.padding!r}. "
                f"Known: {_list(self.tokens)}."
            )

    @classmethod
    def of(
        cls,
        texts: Iterable[str],
        split: Callable[[str], Iterable[str]] = iter,
        padding: str | None = None,
    ) -> Vocabulary:
        """The tokens of these texts in sorted order, the padding last.

        Args:
            texts: that shall be known.
            split: a text into tokens; by default into characters.
            padding: what fills up short ones, such as `PADDING`; None for nothing.
        """
        found = sorted({token for text in texts for token in split(text)})
        return cls((*found, *([] if padding is None else [padding])), padding)

    def random(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Random tokens."""
        return torch.randint(self.size, shape, generator=generator)

    @property
    def size(self) -> int:
        """Number of tokens, the padding among them; the mask of a process is not."""
        return len(self.tokens)

    @property
    def letters(self) -> tuple[str, ...]:
        """The tokens that stand for themselves: all but the padding."""
        return tuple(token for token in self.tokens if token != self.padding)

    def cut(self, text: str) -> list[str]:
        """The tokens of a text; of several that fit in a place the longest is taken.

        Raises:
            ClarionError: with the place of a letter that is unknown.
        """
        return cut(text, self._pattern, self._known)

    def numbers(self, text: str, length: int | None = None) -> list[int]:
        """The numbers of the tokens of a text.

        Args:
            text: to read, from left to right.
            length: fill up with padding to so many tokens; None leaves the text as it is.

        Raises:
            ClarionError: with the place of a letter that is unknown, or for a text that is too
                long, or too short without there being a padding.
        """
        numbers = [self._number[token] for token in self.cut(text)]
        if length is None or len(numbers) == length:
            return numbers
        if len(numbers) > length or self.padding is None:
            allowed = f"exactly {length}" if self.padding is None else f"at most {length}"
            raise ClarionError(
                f"the text has {len(numbers)} tokens, where there must be {allowed}: "
                f"{abridged(text)}."
            )
        return numbers + [self._number[self.padding]] * (length - len(numbers))

    def texts(self, tokens: Tensor) -> list[str]:
        """The texts that tokens (n, length) stand for, each up to its first padding.

        Raises:
            ClarionError: for tokens of another shape or type, or a number that is no token's.
        """
        if tokens.ndim != 2 or tokens.is_floating_point():
            raise ClarionError(
                f"tokens must be whole numbers (n, length), got {tokens.dtype} of shape "
                f"{tuple(tokens.shape)}."
            )
        if tokens.numel():
            low, high = (int(value) for value in tokens.aminmax())
            if low < 0 or high >= self.size:
                raise ClarionError(
                    f"tokens must lie in 0..{self.size - 1}, got {low if low < 0 else high}"
                    + (", the mask: these are not all drawn yet." if high == self.size else ".")
                )
        end = -1 if self.padding is None else self._number[self.padding]
        return [
            "".join(self.tokens[i] for i in (row[: row.index(end)] if end in row else row))
            for row in tokens.tolist()
        ]

    def encode(self, data: Tensor) -> Tensor:
        """Stored tokens, of any type of whole numbers, as those of the model: int64."""
        if data.is_floating_point():
            raise ClarionError(f"tokens must be whole numbers, got {data.dtype}.")
        return data.to(torch.int64)

    def decode(self, x0: Tensor) -> Tensor:
        """Tokens of the model as those of the data: the same."""
        return self.encode(x0)

    @cached_property
    def _number(self) -> Mapping[str, int]:
        return {token: i for i, token in enumerate(self.tokens)}

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Matches one token, the longest first."""
        return re.compile("|".join(map(re.escape, sorted(self.letters, key=len, reverse=True))))

    @cached_property
    def _known(self) -> str:
        return f" Known: {_list(self.letters)}."


def cut(text: str, pattern: re.Pattern[str], known: str = "") -> list[str]:
    """A text as the pieces that a pattern matches, from left to right, with nothing left over.

    Args:
        text: to cut.
        pattern: matches one piece; it has no groups.
        known: a sentence on what there may be, for the message.

    Raises:
        ClarionError: with the place of the first letter that is in no piece.
    """
    found = pattern.findall(text)
    if sum(map(len, found)) == len(text):
        return found
    place = 0
    while match := pattern.match(text, place):
        place = match.end()
    raise ClarionError(
        f"unknown letter {text[place]!r} in place {place + 1} of {abridged(text)}.{known}"
    )


def _list(tokens: tuple[str, ...]) -> str:
    shown = " ".join(
        token if token.isprintable() and token != " " else repr(token)
        for token in tokens[:MOST_KNOWN]
    )
    more = len(tokens) - MOST_KNOWN
    return f"{shown} and {more} more" if more > 0 else shown or "none"


def abridged(text: str) -> str:
    """A text as it stands in messages: not more of it than one can take in."""
    return repr(text if len(text) <= 60 else f"{text[:60]}...")
