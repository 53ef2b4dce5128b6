"""Lead sheets as MIDI files: tempo map, metres, markers, a chord track and the sung melody.

Times are kept to 0.1 ms (unless beats are over 2 s long), pitches to 1/4 096 semitone (by pitch
bend). A text at the start says how many beats lie before the first bar, which MIDI cannot say.
"""

import bisect
import math
import re
from dataclasses import dataclass
from itertools import pairwise

from banso.beat_grid import bar_starts, grid_of
from banso.chord_names import label_of, name_of
from banso.chords import NO_CHORD, parse_chord
from banso.errors import DataError
from banso.leadsheet import BEAT_UNITS, ChordSpan, LeadSheet, Section, SungNote
from banso.midi_chords import spans_of_notes, voicing
from banso.midi_clock import MidiClock, clock_of_events, clock_of_marks
from banso.midi_file import (
    KEY,
    MARKER,
    METER,
    TEMPO,
    TEXT,
    TRACK_NAME,
    MetaEvent,
    MidiFile,
    MidiNote,
    MidiTrack,
    format_midi,
    meta_texts,
    parse_midi,
)

_TICKS_PER_QUARTER = 15_360
_BEND_PER_SEMITONE = 4_096
_MAX_BEATS = 100_000
_NOTHING_SECONDS = 2e-5
_UNKNOWN = "?"
_NOTE = re.compile(r"banso: lead-in (\d{1,6}) pickup (\d{1,6}) beats (\d{1,6})", re.ASCII)
_KEY_TEXT = "banso: key "
_CHORD_TRACK = re.compile("chord|harmon|akkord|piano|guitar|keys", re.IGNORECASE)
_MELODY_TRACK = re.compile("melod|voice|vocal|vox|sing|lead", re.IGNORECASE)
_SHARPS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}


def write_midi(sheet: LeadSheet) -> bytes:
    """Return a lead sheet as a Standard MIDI File.

    Raises:
        DataError: If beats lie before 0 or too far apart for MIDI.
    """
    sheet = sheet.joined()
    layout = _layout(sheet)
    conductor = _conductor(sheet, layout)
    chords = _chord_track(sheet, layout.clock)
    melody = _melody_track(sheet, layout.clock)
    return format_midi(MidiFile(_TICKS_PER_QUARTER, (conductor, chords, melody)))


def read_midi(content: bytes, name: str = "MIDI file") -> LeadSheet:
    """Read a lead sheet from a MIDI file, banso's own or another program's.

    Chords are texts with chord names, or else the notes of a track whose name speaks of chords,
    or of the one with most notes at a time. The melody is a track named so.

    Args:
        content: The file's bytes.
        name: For error messages.

    Raises:
        DataError: If the file is damaged or has no sensible times.
    """
    file = parse_midi(content, name)
    try:
        return _Reader(file).sheet()
    except DataError as error:
        raise DataError(f"{name}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where beats are in ticks: `lead_in` beats pass before the first."""

    clock: MidiClock
    ticks_per_beat: int
    lead_in: int


def _layout(sheet: LeadSheet) -> _Layout:
    per_beat = _TICKS_PER_QUARTER * 4 // sheet.beat_unit
    grid = grid_of(sheet)
    if grid is None:
        return _Layout(clock_of_events((), _TICKS_PER_QUARTER), per_beat, 0)
    first = sheet.beats[0]
    if first < 0:
        raise DataError(f"the first beat is at {first} s; a MIDI file begins at 0 s")
    step = grid.time_at(1.0) - first
    # No longer than the song's own beats, so that ticks are no coarser.
    lead_in = max(1, math.ceil(first / step - 1e-6)) if first > _NOTHING_SECONDS else 0
    marks = [first * index / lead_in for index in range(lead_in)]
    marks += [*sheet.beats, grid.time_at(float(len(sheet.beats)))]
    return _Layout(clock_of_marks(marks, per_beat, _TICKS_PER_QUARTER), per_beat, lead_in)


def _conductor(sheet: LeadSheet, layout: _Layout) -> MidiTrack:
    """Tempi, metres, key, title and sections."""
    lengths = sheet.bar_lengths
    pickup = len(sheet.beats) - sum(lengths)
    note = f"banso: lead-in {layout.lead_in} pickup {pickup} beats {len(sheet.beats)}"
    metas = [*layout.clock.events(), MetaEvent(0, TEXT, note.encode())]
    if sheet.title:
        metas.append(MetaEvent(0, TRACK_NAME, sheet.title.encode()))
    if sheet.key is not None:
        metas.append(_key_event(sheet.key))
    sizes = (*((pickup,) if pickup else ()), *lengths)
    bars = [(0, layout.lead_in)] if layout.lead_in else []
    bars += [
        (layout.lead_in + start, size)
        for start, size in zip(bar_starts(pickup, lengths), sizes, strict=True)
    ]
    last = None
    for start, size in bars or [(0, 4)]:
        if size != last:
            data = bytes((min(size, 255), sheet.beat_unit.bit_length() - 1, 24, 8))
            metas.append(MetaEvent(start * layout.ticks_per_beat, METER, data))
        last = size
    for section in sheet.sections:
        tick = layout.clock.tick_at(section.start_seconds)
        metas.append(MetaEvent(tick, MARKER, section.name.encode()))
    end = (layout.lead_in + len(sheet.beats)) * layout.ticks_per_beat
    return MidiTrack(tuple(metas), end_tick=end)


def _key_event(label: str) -> MetaEvent:
    tonic, _, mode = label.partition(":")
    sharps = _SHARPS[tonic[0]] + 7 * (tonic.count("#") - tonic[1:].count("b"))
    sharps -= 3 if mode == "min" else 0
    if mode in ("maj", "min") and abs(sharps) <= 7:
        return MetaEvent(0, KEY, bytes((sharps & 0xFF, int(mode == "min"))))
    return MetaEvent(0, TEXT, f"{_KEY_TEXT}{label}".encode())


def _chord_track(sheet: LeadSheet, clock: MidiClock) -> MidiTrack:
    metas = [MetaEvent(0, TRACK_NAME, b"Chords")]
    notes: list[MidiNote] = []
    end = None
    for span in sheet.chords:
        start = clock.tick_at(span.start_seconds)
        if end is not None and start > end:
            metas.append(MetaEvent(end, TEXT, _UNKNOWN.encode()))
        end = clock.tick_at(span.end_seconds)
        metas.append(MetaEvent(start, TEXT, name_of(span.label).encode()))
        notes += [MidiNote(start, end, pitch, 64) for pitch in voicing(parse_chord(span.label))]
    if end is not None:
        metas.append(MetaEvent(end, TEXT, _UNKNOWN.encode()))
    return MidiTrack(tuple(metas), tuple(notes), end_tick=end or 0, channel=1)


def _melody_track(sheet: LeadSheet, clock: MidiClock) -> MidiTrack:
    notes: list[MidiNote] = []
    bends: list[tuple[int, int]] = []
    for note in sheet.notes:
        start, end = clock.tick_at(note.start_seconds), clock.tick_at(note.end_seconds)
        pitch = round(note.midi)
        notes.append(MidiNote(start, max(end, start + 1), pitch, 80))
        bend = round((note.midi - pitch) * _BEND_PER_SEMITONE)
        if bend != (bends[-1][1] if bends else 0):
            bends.append((start, bend))
    name = MetaEvent(0, TRACK_NAME, b"Melody")
    return MidiTrack(
        (name,), tuple(notes), tuple(bends), end_tick=notes[-1].end_tick if notes else 0
    )


class _Reader:
    """Understands the tracks of a file."""

    def __init__(self, file: MidiFile) -> None:
        self._file = file
        self._clock = clock_of_events(meta_texts(file.tracks, TEMPO), file.ticks_per_quarter)
        self._texts = meta_texts(file.tracks, TEXT)
        self._meters = self._read_meters()
        self._unit = self._meters[0][2]

    def sheet(self) -> LeadSheet:
        beats, downbeats = self._beats()
        names = [track.name for track in self._file.tracks[:1]]
        return LeadSheet(
            beats=tuple(self._clock.seconds_at(tick) for tick in beats),
            downbeats=tuple(self._clock.seconds_at(tick) for tick in downbeats),
            chords=self._chords(),
            key=self._key(),
            title=_plain(names[0]),
            beat_unit=self._unit,
            sections=self._sections(),
            notes=self._notes(),
        )

    def _read_meters(self) -> tuple[tuple[int, int, int], ...]:
        """Metres as (tick, beats in a bar, unit), from tick 0 on."""
        found = {0: (4, 4)}
        for meta in meta_texts(self._file.tracks, METER):
            unit = 1 << meta.data[1] if meta.data[1] < 8 else 0
            if meta.data[0] == 0 or unit not in BEAT_UNITS:
                raise DataError(f"a metre of {meta.data[0]}/2^{meta.data[1]} makes no sense")
            found[meta.tick] = (meta.data[0], unit)
        return tuple((tick, *found[tick]) for tick in sorted(found))

    def _beats(self) -> tuple[list[int], list[int]]:
        """Ticks of beats and of downbeats."""
        per_beat = self._file.ticks_per_quarter * 4 / self._unit
        end = max(track.end_tick for track in self._file.tracks)
        match = next(filter(None, (_NOTE.fullmatch(t.text) for t in self._texts)), None)
        lead_in, pickup, count = (int(group) for group in match.groups()) if match else (0, 0, -1)
        if count < 0:
            count = -int(-end // per_beat)
        if lead_in + count > _MAX_BEATS or pickup > count:
            raise DataError(f"there are {lead_in + count} beats; at most {_MAX_BEATS}")
        beats = [round((lead_in + index) * per_beat) for index in range(count)]
        downs, place = [], pickup
        while place < count:
            downs.append(beats[place])
            place += self._meter_at(beats[place])
        return beats, downs

    def _meter_at(self, tick: int) -> int:
        """Beats in the bar that begins at a tick, in the file's first unit."""
        place = bisect.bisect_right(self._meters, tick + 1, key=lambda meter: meter[0])
        _, beats, unit = self._meters[place - 1]
        return max(1, round(beats * self._unit / unit))

    def _key(self) -> str | None:
        for text in self._texts:
            if text.text.startswith(_KEY_TEXT):
                label = text.text.removeprefix(_KEY_TEXT)
                parse_chord(label)
                return label
        for meta in meta_texts(self._file.tracks, KEY):
            sharps, minor = int.from_bytes(meta.data[:1], signed=True), meta.data[1] == 1
            if abs(sharps) > 7:
                raise DataError(f"a key with {sharps} sharps makes no sense")
            place = sharps + (3 if minor else 0) + 1
            tonic = "FCGDAEB"[place % 7] + "#" * (place // 7) + "b" * -(place // 7)
            return f"{tonic}:{'min' if minor else 'maj'}"
        return None

    def _sections(self) -> tuple[Section, ...]:
        named = {meta.tick: _plain(meta.text) for meta in meta_texts(self._file.tracks, MARKER)}
        return tuple(
            Section(self._clock.seconds_at(tick), name) for tick, name in named.items() if name
        )

    def _chords(self) -> tuple[ChordSpan, ...]:
        named = self._named_chords()
        if named:
            changes = sorted(named.items())
            return tuple(
                ChordSpan(self._clock.seconds_at(tick), self._clock.seconds_at(end), label)
                for (tick, label), (end, _) in pairwise(changes)
                if label != _UNKNOWN
            )
        track = self._chord_notes()
        spans = spans_of_notes(track.notes) if track is not None else ()
        return tuple(
            ChordSpan(self._clock.seconds_at(span[0]), self._clock.seconds_at(span[1]), span[2])
            for span in spans
        )

    def _named_chords(self) -> dict[int, str]:
        """Labels that stand as texts, by tick; `?` where they end."""
        found: dict[int, str] = {}
        for meta in self._texts:
            try:
                found[meta.tick] = (
                    _UNKNOWN if meta.text == _UNKNOWN else label_of(meta.text.strip())
                )
            except DataError:
                continue  # Lyrics, remarks, copyrights.
        if set(found.values()) <= {_UNKNOWN, NO_CHORD}:
            return found if NO_CHORD in found.values() else {}
        end = max(track.end_tick for track in self._file.tracks)
        last = max(found)
        if found[last] != _UNKNOWN and end > last:
            found[end] = _UNKNOWN
        return found

    def _chord_notes(self) -> MidiTrack | None:
        tracks = [track for track in self._file.tracks if len(track.notes) > 2]
        named = [track for track in tracks if _CHORD_TRACK.search(track.name)]
        thick = [track for track in tracks if _notes_at_once(track) > 1.8]
        return max(named or thick, key=_notes_at_once, default=None)

    def _notes(self) -> tuple[SungNote, ...]:
        tracks = [t for t in self._file.tracks if _MELODY_TRACK.search(t.name) and t.notes]
        if not tracks:
            return ()
        track = tracks[0]
        bend_ticks = [tick for tick, _ in track.bends]
        borders = [note.start_tick for note in track.notes[1:]] + [track.notes[-1].end_tick]
        sung: list[SungNote] = []
        for note, border in zip(track.notes, borders, strict=True):
            end = min(note.end_tick, border)
            if end <= note.start_tick:
                continue
            place = bisect.bisect_right(bend_ticks, note.start_tick)
            bend = track.bends[place - 1][1] if place else 0
            midi = min(127.0, max(0.0, note.pitch + bend / _BEND_PER_SEMITONE))
            start, stop = (self._clock.seconds_at(t) for t in (note.start_tick, end))
            sung.append(SungNote(start, stop, midi))
        return tuple(sung)


def _notes_at_once(track: MidiTrack) -> float:
    starts = {note.start_tick for note in track.notes}
    return len(track.notes) / len(starts)


def _plain(text: str) -> str:
    """Make foreign text one printable line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
