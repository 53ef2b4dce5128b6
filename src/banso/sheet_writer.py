"""Write a lead sheet as text that people can read, edit and compare: `.banso.txt`.

`banso.sheet_text` describes the format and reads it back without loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from banso.beat_grid import BeatGrid, bar_starts, grid_of
from banso.chord_names import key_name_of, name_of
from banso.leadsheet import LeadSheet

HOLD, REPEAT, UNKNOWN = ".", "%", "?"
# Parts of a beat that a bar may be divided into.
DIVISIONS = (1, 2, 3, 4, 6, 8, 12)
_BARS_PER_LINE = 4
_TAPS_PER_LINE = 8


@dataclass(frozen=True, slots=True)
class _Change:
    """From when on which chord is known to sound; None if none is known."""

    seconds: float
    label: str | None

    @property
    def name(self) -> str:
        return UNKNOWN if self.label is None else name_of(self.label)


def write_sheet(sheet: LeadSheet) -> str:
    """Return a lead sheet as text; neighbouring chords of one name become one.

    The melody is not written; a MIDI file holds it.
    """
    sheet = sheet.joined()
    grid = grid_of(sheet)
    changes = _changes(sheet)
    lines = _header(sheet, grid)
    if changes and changes[-1].label is None:
        end = changes.pop().seconds
        if grid is None or end != grid.time_at(len(sheet.beats)):
            lines.append(f"end: {end!r}")
    lines.append("")
    lines += _timed_body(sheet, changes) if grid is None else _body(sheet, grid, changes)
    return "\n".join(lines).rstrip("\n") + "\n"


def division_counts(beats: int) -> tuple[int, ...]:
    """Return into how many equal slots a bar may be divided, fewest first."""
    whole = [count for count in range(1, beats) if beats % count == 0]
    return (*whole, *(beats * parts for parts in DIVISIONS))


def _changes(sheet: LeadSheet) -> list[_Change]:
    """What is known from when on; the last says that nothing is."""
    changes: list[_Change] = []
    end: float | None = None
    for span in sheet.chords:
        if end is not None and span.start_seconds > end:
            changes.append(_Change(end, None))
        changes.append(_Change(span.start_seconds, span.label))
        end = span.end_seconds
    if end is not None:
        changes.append(_Change(end, None))
    return changes


def _header(sheet: LeadSheet, grid: BeatGrid | None) -> list[str]:
    lines = [f"title: {sheet.title}"] if sheet.title else []
    if sheet.key is not None:
        lines.append(f"key: {key_name_of(sheet.key)}")
    if grid is not None or sheet.beat_unit != 4:
        lines.append(f"meter: {sheet.beats_per_bar}/{sheet.beat_unit}")
    if grid is None:
        return lines
    if grid.tempo_bpm is not None:
        lines += [f"tempo: {grid.tempo_bpm!r}", f"start: {grid.start_seconds!r}"]
    for first in range(0, len(grid.taps), _TAPS_PER_LINE):
        taps = grid.taps[first : first + _TAPS_PER_LINE]
        lines.append("taps: " + " ".join(repr(tap) for tap in taps))
    pickup = _pickup(sheet)
    return [*lines, f"pickup: {pickup}"] if pickup else lines


def _pickup(sheet: LeadSheet) -> int:
    return len(sheet.beats) - sum(sheet.bar_lengths)


def _timed_body(sheet: LeadSheet, changes: Sequence[_Change]) -> list[str]:
    lines = [f"[{section.name}]@{section.start_seconds!r}" for section in sheet.sections]
    for first in range(0, len(changes), _BARS_PER_LINE):
        tokens = [f"{c.name}@{c.seconds!r}" for c in changes[first : first + _BARS_PER_LINE]]
        lines.append(f"| {' '.join(tokens)} |")
    return lines


def _body(sheet: LeadSheet, grid: BeatGrid, changes: Sequence[_Change]) -> list[str]:
    """Lines of bars, with sections between them."""
    pickup, lengths = _pickup(sheet), sheet.bar_lengths
    starts = bar_starts(pickup, lengths)
    sizes = ((pickup,) if pickup else ()) + lengths
    borders = [grid.time_at(float(start)) for start in starts[1:]] + [float("inf")]
    names = {section.start_seconds: section.name for section in sheet.sections}
    lines: list[str] = []
    row: list[str] = []
    writer = _BarWriter(grid, sheet.beats_per_bar, sheet.beat_unit)
    done = 0
    for index, (start, size, border) in enumerate(zip(starts, sizes, borders, strict=True)):
        section = names.pop(grid.time_at(float(start)), None)
        if section is not None or len(row) == _BARS_PER_LINE:
            lines += _line(row)
            row = []
        if section is not None:
            lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        stop = done
        while stop < len(changes) and changes[stop].seconds < border:
            stop += 1
        row.append(writer.bar(start, size, changes[done:stop], is_pickup=pickup > 0 and index == 0))
        done = stop
    lines += _line(row)
    return lines + [f"[{name}]@{seconds!r}" for seconds, name in sorted(names.items())]


def _line(bars: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(bars)} |"] if bars else []


class _BarWriter:
    """Writes bars one after the other, since a bar may repeat the last or go on at its metre."""

    def __init__(self, grid: BeatGrid, beats_per_bar: int, beat_unit: int) -> None:
        self._grid, self._meter, self._unit = grid, beats_per_bar, beat_unit
        self._sounding = UNKNOWN
        self._last: list[str] | None = None

    def bar(self, start: int, size: int, changes: Sequence[_Change], *, is_pickup: bool) -> str:
        """Return the text between two bar lines."""
        meter = ""
        if not is_pickup and size != self._meter:
            self._meter = size
            meter = f"({size}/{self._unit}) "
        slots = self._slots(start, size, changes)
        times = {self._grid.time_at(time): name for time, name in slots.items()}
        timed = {c.seconds: f"{c.name}@{c.seconds!r}" for c in changes if c.seconds not in times}
        tokens = [text for _, text in sorted((times | timed).items())]
        if changes:
            self._sounding = changes[-1].name
        plain = None if timed or is_pickup else tokens
        repeats = plain is not None and plain == self._last
        self._last = plain
        return meter + (REPEAT if repeats else " ".join(tokens))

    def _slots(self, start: int, size: int, changes: Sequence[_Change]) -> dict[float, str]:
        """The bar in as few equal slots as show every change that lies on one."""
        name_at = {change.seconds: change.name for change in changes}
        finest: set[float] = set()
        for count in division_counts(size):
            finest |= self._hits(start, size, count, name_at)
        for count in division_counts(size):
            if finest <= self._hits(start, size, count, name_at):
                break
        else:
            count = max(
                division_counts(size), key=lambda n: len(self._hits(start, size, n, name_at))
            )
        slots: dict[float, str] = {}
        for number in range(count):
            position = start + size * number / count
            slots[position] = name_at.get(self._grid.time_at(position), HOLD)
        if slots[start] == HOLD:
            # Again what sounds already, so that each bar can be read by itself.
            early = [c.name for c in changes if c.seconds < self._grid.time_at(float(start))]
            slots[start] = early[-1] if early else self._sounding
        return slots

    def _hits(self, start: int, size: int, count: int, name_at: dict[float, str]) -> set[float]:
        times = (self._grid.time_at(start + size * k / count) for k in range(count))
        return {time for time in times if time in name_at}
