"""Chords and beats as label files (`.lab`), as MIREX and most research tools read and write them.

A chord line is `start end label`; a beat line `time position`, position 1 at a bar's first beat.

References:
    MIREX audio chord estimation, file format; Harte 2010, "Towards automatic extraction of harmony
    information from music signals", appendix (chord label files).
"""

import re

from banso.chords import parse_chord
from banso.errors import DataError
from banso.leadsheet import ChordSpan, LeadSheet

MAX_LINES = 200_000
_NUMBER = re.compile(r"[+-]?\d{1,20}(\.\d{0,30})?(e[+-]?\d{1,3})?", re.ASCII)


def write_chords(sheet: LeadSheet) -> str:
    """Return the chords as label lines; what no chord covers has no line."""
    rows = (
        f"{s.start_seconds!r}\t{s.end_seconds!r}\t{''.join(s.label.split())}" for s in sheet.chords
    )
    return "".join(f"{row}\n" for row in rows)


def write_beats(sheet: LeadSheet) -> str:
    """Return the beats as lines; those before the first bar count up to its first beat."""
    downs = set(sheet.downbeats)
    pickup = len(sheet.beats) - sum(sheet.bar_lengths)
    position = max(sheet.beats_per_bar, pickup + 1) - pickup
    lines = []
    for beat in sheet.beats:
        position = 1 if beat in downs else position + 1
        lines.append(f"{beat!r}\t{position}\n")
    return "".join(lines)


def read_chords(text: str, name: str = "label file") -> tuple[ChordSpan, ...]:
    """Read chord lines.

    Args:
        text: Lines of start, end and label, separated by blanks.
        name: Of the file, for error messages.

    Raises:
        DataError: If a line is not understood; says which.
    """
    spans: list[ChordSpan] = []
    for number, words in _rows(text, name, 3):
        where = f"{name}, line {number}"
        start, end = (_number(word, where) for word in words[:2])
        try:
            parse_chord(words[2])
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        if end <= start or (spans and start < spans[-1].end_seconds - 1e-6):
            raise DataError(f"{where}: {words[0]} to {words[1]} is empty or overlaps the last line")
        spans.append(ChordSpan(start, end, words[2]))
    return tuple(spans)


def read_beats(text: str, name: str = "beat file") -> LeadSheet:
    """Read beat lines.

    Args:
        text: Lines of time and position in the bar; without positions there are no bars.
        name: Of the file, for error messages.

    Raises:
        DataError: If a line is not understood; says which.
    """
    beats: list[float] = []
    downbeats: list[float] = []
    for number, words in _rows(text, name, 1):
        where = f"{name}, line {number}"
        time = _number(words[0], where)
        if beats and time <= beats[-1]:
            raise DataError(f"{where}: {words[0]} does not come after the beat before")
        beats.append(time)
        if len(words) > 1 and _number(words[1], where) == 1:
            downbeats.append(time)
    return LeadSheet(beats=tuple(beats), downbeats=tuple(downbeats))


def _rows(text: str, name: str, least: int) -> list[tuple[int, list[str]]]:
    rows = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < least or number > MAX_LINES:
            raise DataError(
                f"{name}, line {number}: {least} columns are needed, here are {len(words)}"
            )
        rows.append((number, words))
    return rows


def _number(text: str, where: str) -> float:
    if not _NUMBER.fullmatch(text) or abs(float(text)) > 1e6:
        raise DataError(f"{where}: '{text[:40]}' is no number of seconds")
    return float(text)
