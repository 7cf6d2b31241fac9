"""Edit distances."""

import numpy as np

from clarion.domains.sequence.distance import distances, diversity, nearest


def levenshtein(a: str, b: str) -> int:
    """By the recursion itself."""
    if not a or not b:
        return len(a) + len(b)
    if a[0] == b[0]:
        return levenshtein(a[1:], b[1:])
    return 1 + min(levenshtein(a[1:], b), levenshtein(a, b[1:]), levenshtein(a[1:], b[1:]))


WORDS = ["kitten", "sitting", "mitten", "", "ten", "tin"]


def test_they_are_the_recursion() -> None:
    expected = [[levenshtein(a, b) for b in WORDS] for a in WORDS]
    np.testing.assert_array_equal(distances(WORDS, WORDS), expected)


def test_the_nearest_and_the_mean() -> None:
    far, places = nearest(["kittens", "tan"], WORDS)
    assert (far.tolist(), places.tolist()) == ([1, 1], [0, 4])
    pairs = [levenshtein(a, b) for i, a in enumerate(WORDS) for b in WORDS[:i]]
    assert diversity(WORDS) == sum(pairs) / len(pairs)
    assert diversity(["a"]) == 0
