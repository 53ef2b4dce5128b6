"""Read lead sheets that people type: `.banso.txt`.

    title: Evening song
    key: Am
    meter: 4/4
    tempo: 92.5
    start: 0.8
    pickup: 1

    [Verse]
    | ? | Am | F G/B | % | C . . E7 |
    [Chorus]
    | (2/4) Dm | (4/4) N.C. | ? |

Head lines come first, each at most once, all optional: `title`; `key` (`C`, `Am`, `F# minor`);
`meter` (upper number: beats in a bar); `tempo` in beats a minute with `start`, the time of the
first beat in seconds; or instead of both `taps`, the times of beats (may stand several times; their
tempo goes on after the last); `pickup`, the beats before the first full bar, which then make a bar
of their own; `end`, when the last chord ends, if not with the last bar.

Bars hold equal slots: one chord for the bar, or one for each of 2, 4, 8 … parts. `.` holds the
chord, `%` repeats the last bar, `N.C.` is silence, `?` is left to banso. `Am@12.5` changes at 12.5
seconds and takes no slot; without tempo and taps every chord has such a time. `(3/4)` changes the
meter from that bar on. `[Chorus]` names a section that begins with the next bar, or
`[Chorus]@31.5` at a time. Lines that begin with `#` are comments.
"""

import difflib
import itertools
import math
import re
from dataclasses import dataclass, field
from typing import NoReturn

from banso.beat_grid import TEMPO_RANGE_BPM, BeatGrid
from banso.chord_names import key_label_of, label_of
from banso.errors import DataError
from banso.leadsheet import BEAT_UNITS, ChordSpan, LeadSheet, Section
from banso.sheet_writer import HOLD, REPEAT, UNKNOWN, division_counts

MAX_CHARACTERS = 2_000_000
MAX_BEATS = 100_000
MAX_SECONDS = 1_000_000.0
_HEAD = ("title", "key", "meter", "tempo", "start", "taps", "pickup", "end")
_METER = re.compile(r"\(?([0-9]{1,4})/([0-9]{1,2})\)?")
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?(e[+-]?[0-9]{1,3})?")
_SECTION = re.compile(r"\[(?P<name>.*)\](?:@(?P<time>\S+))?")


class SheetError(DataError):
    """A lead sheet's text is wrong at one place.

    Attributes:
        line: From 1 on.
        column: From 1 on.
        problem: What is wrong there.
    """

    def __init__(self, name: str, line: int, column: int, problem: str) -> None:
        super().__init__(f"{name}, line {line}, column {column}: {problem}")
        self.line, self.column, self.problem = line, column, problem


@dataclass(frozen=True, slots=True)
class _Place:
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class _Token:
    """A word in a bar: what it says, and its own time if it has one."""

    text: str
    seconds: float | None
    place: _Place


@dataclass(slots=True)
class _Bar:
    size: int
    tokens: list[_Token]
    place: _Place


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    head: dict[str, tuple[str, _Place]] = field(default_factory=dict)
    taps: list[float] = field(default_factory=list)
    bars: list[_Bar] = field(default_factory=list)
    sections: list[tuple[int, str, float | None, _Place]] = field(default_factory=list)
    beats_per_bar: int = 4
    beat_unit: int = 4
    pickup: int = 0
    num_beats: int = 0


def read_sheet(text: str, name: str = "lead sheet") -> LeadSheet:
    """Read a lead sheet.

    Args:
        text: As in the module's description.
        name: Of the file, for error messages.

    Raises:
        SheetError: If anything is not understood; says line and column.
    """
    return _Parser(name).parse(text)


class _Parser:
    """Reads line by line, then lays the bars on the beat grid."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._reading = _Reading()

    def parse(self, text: str) -> LeadSheet:
        if len(text) > MAX_CHARACTERS:
            self._fail(_Place(1, 1), f"has {len(text)} characters; at most {MAX_CHARACTERS}")
        place = _Place(1, 1)
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
            body = line.strip()
            place = _Place(number, len(line) - len(line.lstrip()) + 1)
            if not body or body.startswith("#"):
                continue
            if body.startswith("|"):
                self._read_bars(body, place)
            elif body.startswith("["):
                self._read_section(body, place)
            else:
                self._read_head(body, place)
        return self._sheet(place)

    def _fail(self, place: _Place, problem: str) -> NoReturn:
        raise SheetError(self._name, place.line, place.column, problem)

    def _read_head(self, body: str, place: _Place) -> None:
        reading = self._reading
        key, colon, value = body.partition(":")
        key, value = key.strip(), value.strip()
        if not colon or key not in _HEAD:
            near = difflib.get_close_matches(key, _HEAD, 1)
            hint = f"did you mean '{near[0]}:'?" if near else f"heads are {', '.join(_HEAD)}"
            self._fail(place, f"'{key[:40]}' is neither a head, a bar nor a section; {hint}")
        if reading.bars or reading.sections:
            self._fail(place, f"'{key}' comes after bars or sections; heads come first")
        if key in reading.head and key != "taps":
            self._fail(place, f"'{key}' stands twice; keep one")
        at = _Place(place.line, place.column + body.index(value, len(key)))
        reading.head[key] = (value, at)
        if key == "taps":
            reading.taps += [self._number(word, at) for word in value.split()]
        elif key == "meter":
            reading.beats_per_bar, reading.beat_unit = self._meter(value, at)
        elif key == "pickup":
            reading.pickup = self._count(value, at)

    def _number(self, text: str, place: _Place) -> float:
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not abs(value) <= MAX_SECONDS:
            self._fail(place, f"'{text[:40]}' is no number, or not within ±{MAX_SECONDS:.0f}")
        return value

    def _count(self, text: str, place: _Place) -> int:
        if not re.fullmatch(r"[0-9]{1,6}", text) or int(text) > MAX_BEATS:
            self._fail(place, f"'{text[:40]}' is no number of beats from 0 to {MAX_BEATS}")
        return int(text)

    def _meter(self, text: str, place: _Place) -> tuple[int, int]:
        match = _METER.fullmatch(text)
        if match is None or int(match[1]) == 0 or int(match[2]) not in BEAT_UNITS:
            self._fail(place, f"'{text[:40]}' is no meter; write for example 4/4, 3/4 or 6/8")
        return int(match[1]), int(match[2])

    def _read_section(self, body: str, place: _Place) -> None:
        match = _SECTION.fullmatch(body)
        if match is None:
            self._fail(place, "a section is written [name] or [name]@seconds")
        name = " ".join(match["name"].split())
        if not name or not name.isprintable():
            self._fail(place, "a section needs a printable name, such as [Chorus]")
        seconds = None if match["time"] is None else self._number(match["time"], place)
        self._reading.sections.append((len(self._reading.bars), name, seconds, place))

    def _read_bars(self, body: str, place: _Place) -> None:
        if not body.endswith("|") or len(body) == 1:
            end = _Place(place.line, place.column + len(body))
            self._fail(end, "a line of bars ends with |")
        offset = place.column + 1
        for text in body[1:-1].split("|"):
            words = [
                (m[0], _Place(place.line, offset + m.start())) for m in re.finditer(r"\S+", text)
            ]
            if not words:
                self._fail(_Place(place.line, offset), "a bar is empty; write . to hold the chord")
            self._read_bar(words)
            offset += len(text) + 1

    def _read_bar(self, words: list[tuple[str, _Place]]) -> None:
        reading = self._reading
        place = words[0][1]
        is_pickup = reading.pickup > 0 and not reading.bars
        if words[0][0].startswith("("):
            text, at = words.pop(0)
            beats, unit = self._meter(text, at)
            if unit != reading.beat_unit:
                self._fail(at, f"meter {text} must keep the lower number {reading.beat_unit}")
            if is_pickup:
                self._fail(at, "the pickup has the length that its head says; leave the meter out")
            reading.beats_per_bar = beats
        size = reading.pickup if is_pickup else reading.beats_per_bar
        if [text for text, _ in words] == [REPEAT]:
            if not reading.bars or any(t.seconds is not None for t in reading.bars[-1].tokens):
                self._fail(words[0][1], "% repeats a bar of plain chords, which must stand before")
            tokens = [_Token(t.text, None, words[0][1]) for t in reading.bars[-1].tokens]
        else:
            tokens = [self._token(text, at) for text, at in words]
        count = sum(token.seconds is None for token in tokens)
        if count and count not in division_counts(size):
            self._fail(place, f"{count} chords do not divide {size} beats; hold with .")
        reading.bars.append(_Bar(size, tokens, place))
        reading.num_beats += size
        if reading.num_beats > MAX_BEATS:
            self._fail(place, f"there are more than {MAX_BEATS} beats")

    def _token(self, word: str, place: _Place) -> _Token:
        text, at, time = word.partition("@")
        if text not in (HOLD, UNKNOWN):
            try:
                text = label_of(text)
            except DataError as error:
                self._fail(place, str(error))
        elif text == HOLD and at:
            self._fail(place, "a hold has no time of its own")
        return _Token(text, self._number(time, place) if at else None, place)

    def _sheet(self, last: _Place) -> LeadSheet:
        reading = self._reading
        grid = self._grid()
        count = 0 if grid is None else reading.num_beats
        if len(reading.taps) > count:
            at = reading.head["taps"][1]
            self._fail(at, f"there are {len(reading.taps)} taps, but bars for {count} beats only")
        downbeats: list[float] = []
        changes: list[tuple[float, str, _Place]] = []
        starts: list[float] = []
        position = 0
        for index, bar in enumerate(reading.bars):
            if grid is not None:
                starts.append(grid.time_at(float(position)))
                downbeats += starts[-1:] if index or not reading.pickup else []
            changes += self._place_tokens(bar, position, grid)
            position += bar.size
        end = None if grid is None else grid.time_at(float(count))
        title, at = reading.head.get("title", ("", last))
        try:
            return LeadSheet(
                beats=() if grid is None else grid.beats(count),
                downbeats=tuple(downbeats),
                chords=self._spans(changes, end, last),
                key=self._key(),
                title=" ".join(title.split()),
                beat_unit=reading.beat_unit,
                sections=self._sections(starts),
            )
        except SheetError:
            raise
        except DataError as error:
            self._fail(at, str(error))

    def _grid(self) -> BeatGrid | None:
        head = self._reading.head
        if "taps" in head:
            for other in ("tempo", "start"):
                if other in head:
                    self._fail(head[other][1], f"'{other}' and 'taps' exclude each other")
            taps = tuple(self._reading.taps)
            if not taps or any(b <= a for a, b in itertools.pairwise(taps)):
                self._fail(head["taps"][1], "taps must be times that increase")
            return BeatGrid(taps=taps)
        if "tempo" not in head:
            for other in ("start", "pickup"):
                if other in head:
                    self._fail(head[other][1], f"'{other}' needs a tempo or taps")
            return None
        text, place = head["tempo"]
        tempo = self._number(text, place)
        if not TEMPO_RANGE_BPM[0] <= tempo <= TEMPO_RANGE_BPM[1]:
            self._fail(place, f"tempo is {text}; choose {TEMPO_RANGE_BPM[0]:.0f} to 1000")
        start = self._number(*head["start"]) if "start" in head else 0.0
        return BeatGrid(start_seconds=start, tempo_bpm=tempo)

    def _place_tokens(
        self, bar: _Bar, position: int, grid: BeatGrid | None
    ) -> list[tuple[float, str, _Place]]:
        slots = sum(token.seconds is None for token in bar.tokens)
        placed, slot = [], 0
        for token in bar.tokens:
            seconds = token.seconds
            if seconds is None:
                if grid is None:
                    self._fail(token.place, "without tempo or taps every chord needs its @seconds")
                seconds = grid.time_at(position + bar.size * slot / slots)
                slot += 1
            if token.text != HOLD:
                placed.append((seconds, token.text, token.place))
        return placed

    def _spans(
        self, changes: list[tuple[float, str, _Place]], grid_end: float | None, last: _Place
    ) -> tuple[ChordSpan, ...]:
        spans: list[ChordSpan] = []
        label, since = UNKNOWN, -math.inf
        latest = -math.inf
        for seconds, text, place in changes:
            if seconds <= latest:
                self._fail(place, f"{text} comes at {seconds} s, not after what stands before it")
            latest = seconds
            if text == label:
                continue
            if label != UNKNOWN:
                spans.append(ChordSpan(since, seconds, label))
            label, since = text, seconds
        if label == UNKNOWN:
            return tuple(spans)
        end, place = grid_end, last
        if "end" in self._reading.head:
            text, place = self._reading.head["end"]
            end = self._number(text, place)
        if end is None or end <= since:
            self._fail(place, f"the last chord begins at {since} s and must end later; give 'end'")
        return (*spans, ChordSpan(since, end, label))

    def _sections(self, starts: list[float]) -> tuple[Section, ...]:
        sections = []
        for bar, name, seconds, place in self._reading.sections:
            if seconds is None:
                if bar >= len(starts):
                    self._fail(place, f"[{name}] has no bar after it; write [{name}]@seconds")
                seconds = starts[bar]
            sections.append(Section(seconds, name))
        ordered = sorted(sections, key=lambda section: section.start_seconds)
        for one, two in itertools.pairwise(ordered):
            if one.start_seconds == two.start_seconds:
                place = self._reading.sections[-1][3]
                self._fail(place, f"[{one.name}] and [{two.name}] begin at the same time")
        return tuple(ordered)

    def _key(self) -> str | None:
        if "key" not in self._reading.head:
            return None
        text, place = self._reading.head["key"]
        try:
            return key_label_of(text)
        except DataError as error:
            self._fail(place, str(error))
