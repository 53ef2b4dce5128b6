"""Chords that a user typed for a whole song: `C Am F G`, a bar each, again and again."""

from itertools import pairwise

from banso.beat_grid import BeatGrid
from banso.errors import ConfigError
from banso.leadsheet import ChordSpan, LeadSheet
from banso.sheet_text import SheetError, read_sheet

_MAX_BARS = 1_000


def check_progression(text: str) -> None:
    """Raise a ConfigError if a progression cannot be read in 4/4; see `lay_out`."""
    _read(text, 4)


def lay_out(text: str, sheet: LeadSheet, end_seconds: float) -> tuple[ChordSpan, ...]:
    """Repeat a progression over a song, beginning with its first bar.

    Args:
        text: Chord names, one for each bar; or bars as in a `.banso.txt`: `C | F G | Am . . E7`.
        sheet: Beats and downbeats of the song, at least two.
        end_seconds: Where the song ends.

    Returns:
        Chords from 0 to the end. A pickup has the end of the progression.

    Raises:
        ConfigError: If a chord or a bar is not understood.
    """
    loop = _read(text, sheet.beats_per_bar)
    length = len(loop.beats)
    grid = BeatGrid(taps=sheet.beats)
    first = sheet.beats.index(sheet.downbeats[0]) if sheet.downbeats else 0
    changes: list[tuple[float, str]] = []
    start = first - (-(-first // length) + 1) * length
    while start < len(sheet.beats):
        for span in loop.chords:
            changes.append((start + span.start_seconds, span.label))
        start += length
    times = [(_time(grid, position), label) for position, label in changes]
    spans = []
    for (since, label), (until, _) in pairwise([*times, (end_seconds, "")]):
        since, until = max(0.0, since), min(until, end_seconds)
        if until > since:
            spans.append(ChordSpan(since, until, label))
    return LeadSheet(chords=tuple(spans)).joined().chords


def _read(text: str, beats_per_bar: int) -> LeadSheet:
    """Read a progression as a sheet with a beat a second."""
    bars = text.strip().strip("|").split("|")
    if len(bars) == 1:
        bars = text.split()
    if not 0 < len(bars) <= _MAX_BARS:
        raise ConfigError(f"chords has {len(bars)} bars; write for example 'C Am F G'")
    if "@" in text or "?" in text or "\n" in text:
        raise ConfigError("chords may hold chord names, bars, . and % only; a file can hold more")
    try:
        song = f"tempo: 60\nmeter: {beats_per_bar}/4\n| {' | '.join(bars)} |"
        sheet = read_sheet(song, "chords")
    except SheetError as error:
        raise ConfigError(f"chords cannot be read: {error.problem}") from error
    if not sheet.chords or sheet.chords[0].start_seconds > 0:
        raise ConfigError("chords must begin with a chord, for example 'C Am F G'")
    return sheet


def _time(grid: BeatGrid, position: float) -> float:
    """Time of a position, also before the first beat, where the first step goes back."""
    if position >= 0:
        return grid.time_at(position)
    step = grid.time_at(1.0) - grid.time_at(0.0)
    return grid.time_at(0.0) + position * step
