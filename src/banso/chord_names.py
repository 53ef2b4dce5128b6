"""Chord names as musicians write them (`Am7/G`, `F#dim`, `N.C.`), to and from MIREX labels.

What has no usual name is written as its MIREX label, which a colon tells apart: `C:min(*5)`.
"""

import re
from typing import Final

from banso.chords import NO_CHORD, PITCH_CLASS_NAMES, parse_chord, pitch_class
from banso.errors import DataError

NO_CHORD_NAME: Final = "N.C."
_SUFFIX = {
    "maj": "",
    "min": "m",
    "dim": "dim",
    "aug": "aug",
    "maj7": "maj7",
    "min7": "m7",
    "7": "7",
    "dim7": "dim7",
    "hdim7": "m7b5",
    "minmaj7": "mMaj7",
    "maj6": "6",
    "min6": "m6",
    "9": "9",
    "maj9": "maj9",
    "min9": "m9",
    "11": "11",
    "min11": "m11",
    "13": "13",
    "maj13": "maj13",
    "min13": "m13",
    "sus2": "sus2",
    "sus4": "sus4",
    "5": "5",
}
_OTHER_SPELLINGS = {
    "maj": "maj",
    "M": "maj",
    "min": "min",
    "-": "min",
    "o": "dim",
    "°": "dim",
    "+": "aug",
    "M7": "maj7",
    "Δ": "maj7",
    "Δ7": "maj7",
    "min7": "min7",
    "-7": "min7",
    "o7": "dim7",
    "°7": "dim7",
    "ø": "hdim7",
    "ø7": "hdim7",
    "m(maj7)": "minmaj7",
    "mM7": "minmaj7",
    "M9": "maj9",
    "min9": "min9",
    "min6": "min6",
    "sus": "sus4",
}
_QUALITY_OF = {suffix: quality for quality, suffix in _SUFFIX.items()} | _OTHER_SPELLINGS
# MIREX degree of a bass that lies so many semitones above the root.
_DEGREE_NAMES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")
_NAME = re.compile(r"(?P<root>[A-G][#b]{0,2})(?P<suffix>[^/]*)(?:/(?P<bass>[A-G][#b]{0,2}))?")
_ROOT = re.compile(r"[A-G][#b]*")
_KEY = re.compile(r"(?P<tonic>[A-G][#b]?)(?: (?P<long>major|minor)|(?P<short>m?))")


def label_of(name: str) -> str:
    """Return the MIREX label of a chord name.

    Args:
        name: For example `Am7`, `C/E`, `N.C.`, or a MIREX label with a colon.

    Raises:
        DataError: If the name is not understood.
    """
    if name == NO_CHORD_NAME:
        return NO_CHORD
    if ":" in name or name == "X":
        parse_chord(name)
        return name
    match = _NAME.fullmatch(name)
    if match is None or match["suffix"] not in _QUALITY_OF:
        raise DataError(f"'{name}' is no chord name; write for example C, Am7, F#dim, G/B or N.C.")
    bass = ""
    if match["bass"] is not None:
        interval = (pitch_class(match["bass"]) - pitch_class(match["root"])) % 12
        bass = f"/{_DEGREE_NAMES[interval]}" if interval else ""
    return f"{match['root']}:{_QUALITY_OF[match['suffix']]}{bass}"


def name_of(label: str) -> str:
    """Return what musicians call a MIREX label; `label_of` leads back to the same chord.

    Raises:
        DataError: If the label is not valid.
    """
    label = "".join(label.split())
    chord = parse_chord(label)
    if label == NO_CHORD:
        return NO_CHORD_NAME
    if chord.root is None or chord.bass is None:
        return label
    if ":" not in label:
        root = _ROOT.match(label)[0]  # type: ignore[index]
        label = f"{root}:{'1' if '(' in label else 'maj'}{label[len(root) :]}"
    root, _, quality = label.partition("/")[0].partition(":")
    if quality not in _SUFFIX:
        return label
    name = root + _SUFFIX[quality]
    if chord.bass != chord.root:
        name += f"/{PITCH_CLASS_NAMES[chord.bass]}"
    # Not so if the bass is a degree of another name (#5 for b6), or the root has three sharps.
    return name if _leads_back(name, label) else label


def _leads_back(name: str, label: str) -> bool:
    try:
        return label_of(name) == label
    except DataError:
        return False


def key_label_of(name: str) -> str:
    """Return the MIREX label of a key.

    Args:
        name: For example `C`, `Am`, `F# minor`, `Bb:maj`.

    Raises:
        DataError: If the name is not understood.
    """
    if ":" in name:
        parse_chord(name)
        return name
    match = _KEY.fullmatch(name.strip())
    if match is None:
        raise DataError(f"'{name}' is no key; write for example C, Am, F# minor or Bb:maj")
    minor = match["long"] == "minor" or match["short"] == "m"
    return f"{match['tonic']}:{'min' if minor else 'maj'}"


def key_name_of(label: str) -> str:
    """Return what musicians call a key: `C`, `Am`; its label if it has no such name."""
    tonic, _, mode = label.partition(":")
    name = {"maj": tonic, "min": f"{tonic}m"}.get(mode, label)
    return name if _KEY.fullmatch(name) else label
