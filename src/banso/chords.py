"""Chord names in the MIREX syntax, and what they mean in pitch classes.

`C:maj7/3` is a root, a quality and a bass given as a degree of the chord's root. `N` is silence,
`X` an unknown chord; both have no notes.

References:
    Harte et al. 2005, "Symbolic representation of musical chords", ISMIR.
"""

import re
from dataclasses import dataclass

from banso.errors import DataError

PITCH_CLASS_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
NO_CHORD = "N"

_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_DEGREE = {1: 0, 2: 2, 3: 4, 4: 5, 5: 7, 6: 9, 7: 11, 8: 12, 9: 14, 10: 16, 11: 17, 12: 19, 13: 21}
_QUALITY = {
    "maj": (0, 4, 7),
    "min": (0, 3, 7),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
    "maj7": (0, 4, 7, 11),
    "min7": (0, 3, 7, 10),
    "7": (0, 4, 7, 10),
    "dim7": (0, 3, 6, 9),
    "hdim7": (0, 3, 6, 10),
    "minmaj7": (0, 3, 7, 11),
    "maj6": (0, 4, 7, 9),
    "min6": (0, 3, 7, 9),
    "9": (0, 4, 7, 10, 2),
    "maj9": (0, 4, 7, 11, 2),
    "min9": (0, 3, 7, 10, 2),
    "11": (0, 4, 7, 10, 2, 5),
    "min11": (0, 3, 7, 10, 2, 5),
    "13": (0, 4, 7, 10, 2, 9),
    "maj13": (0, 4, 7, 11, 2, 9),
    "min13": (0, 3, 7, 10, 2, 9),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "5": (0, 7),
    "1": (0,),
}
_LABEL = re.compile(
    r"^(?P<root>[A-G][#b]*)(?::(?P<quality>[a-z0-9]*))?(?P<extra>\([^)]*\))?(?:/(?P<bass>[#b]*\d+))?$",
    re.ASCII,
)
_DEGREE_NAME = re.compile(r"\*?[#b]*[0-9]{1,2}")


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord as pitch classes.

    Attributes:
        root: Pitch class 0 (C) to 11 (B), or None for no chord.
        intervals: Semitones above the root, each in [0, 12), root first.
        bass: Pitch class of the lowest note, or None for no chord.
    """

    root: int | None
    intervals: tuple[int, ...]
    bass: int | None

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Pitch classes sounding in the chord; empty for no chord."""
        if self.root is None:
            return ()
        return tuple((self.root + interval) % 12 for interval in self.intervals)

    @property
    def is_minor(self) -> bool:
        """Whether the chord has a minor and no major third."""
        return 3 in self.intervals and 4 not in self.intervals

    def transposed(self, semitones: int) -> "Chord":
        """Return the chord moved up by a number of semitones."""
        if self.root is None or self.bass is None:
            return self
        return Chord((self.root + semitones) % 12, self.intervals, (self.bass + semitones) % 12)


def pitch_class(name: str) -> int:
    """Return the pitch class of a note name such as `Bb` or `F#`.

    Raises:
        DataError: If the name is not a letter A-G with sharps or flats.
    """
    if not re.fullmatch(r"[A-G][#b]*", name):
        raise DataError(f"'{name}' is no note name; write a letter A-G with # or b")
    return (_NATURAL[name[0]] + name.count("#") - name[1:].count("b")) % 12


def parse_chord(label: str) -> Chord:
    """Read a chord name in MIREX syntax.

    Args:
        label: For example `A:min7`, `C:maj/5`, `G` (major), `N`.

    Returns:
        The chord; `N` and `X` give a chord without notes.

    Raises:
        DataError: If the name does not follow the syntax or the quality is unknown.
    """
    if label in (NO_CHORD, "X"):
        return Chord(None, (), None)
    match = _LABEL.fullmatch(label)
    if match is None:
        raise DataError(f"'{label}' is no chord name; write for example C:maj, A:min7 or G:7/3")
    quality = match["quality"] or ("maj" if match["extra"] is None else "1")
    if quality not in _QUALITY:
        raise DataError(f"chord '{label}' has the unknown quality '{quality}'")
    root = pitch_class(match["root"])
    intervals = list(_QUALITY[quality])
    for token in (match["extra"] or "()")[1:-1].split(","):
        _apply_degree(intervals, token.strip(), label)
    bass = root if match["bass"] is None else (root + _semitones(match["bass"], label)) % 12
    return Chord(root, tuple(dict.fromkeys(intervals)), bass)


def transpose_label(label: str, semitones: int) -> str:
    """Return a chord name moved up by a number of semitones."""
    match = _LABEL.fullmatch(label)
    if label in (NO_CHORD, "X") or match is None:
        return label
    root = PITCH_CLASS_NAMES[(pitch_class(match["root"]) + semitones) % 12]
    return root + label[len(match["root"]) :]


def _semitones(degree: str, label: str) -> int:
    if not _DEGREE_NAME.fullmatch(degree):
        raise DataError(f"chord '{label}' names the degree '{degree}'; write for example b7 or 9")
    number = int(degree.lstrip("#b"))
    if number not in _DEGREE:
        raise DataError(f"chord '{label}' names the degree {number}; degrees go from 1 to 13")
    return _DEGREE[number] + degree.count("#") - degree.count("b")


def _apply_degree(intervals: list[int], token: str, label: str) -> None:
    """Add (`9`) or leave out (`*5`) one degree of an extended chord name."""
    if not token:
        return
    interval = _semitones(token.lstrip("*"), label) % 12
    if token.startswith("*"):
        if interval in intervals:
            intervals.remove(interval)
    else:
        intervals.append(interval)
