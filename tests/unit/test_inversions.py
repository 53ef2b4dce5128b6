"""Inversions come where the bass leads on, and only there."""

import pytest

from banso.inversions import with_inversions
from banso.leadsheet import ChordSpan


def spans(*labels, length=1.0):
    return tuple(
        ChordSpan(length * index, length * (index + 1), label) for index, label in enumerate(labels)
    )


def labels(found):
    return [span.label for span in found]


@pytest.mark.parametrize(
    ("given", "middle"),
    [
        (("F:maj", "A:min", "F:maj"), "A:min/b7"),
        (("Bb:maj", "D:min", "Bb:maj"), "D:min/b7"),
        (("A:min", "G:maj", "C#:dim"), "G:maj/3"),
        (("C:maj", "G:maj", "A:min"), "G:maj"),
    ],
)
def test_passages(given, middle):
    assert labels(with_inversions(spans(*given), 0.5)) == [given[0], middle, given[2]]


def test_long_fixed_and_last_chords_stay():
    given = spans("F:maj", "A:min", "F:maj")
    assert with_inversions(given, 0.4) == given
    assert with_inversions(given, 0.5, fixed=given[1:2]) == given
    assert with_inversions(given[:2], 0.5) == given[:2]
    silent = spans("N", "A:min", "F:maj")
    assert with_inversions(silent, 0.5) == silent
