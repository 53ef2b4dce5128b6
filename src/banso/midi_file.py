"""Standard MIDI Files: events with their ticks, read from bytes of any origin, and written.

Only what lead sheets need is kept: notes, names, texts, markers, tempi, metres and keys. Everything
else is skipped by its length.

References:
    MIDI Manufacturers Association 1996, "Standard MIDI Files 1.0" (RP-001).
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from banso.errors import DataError

MAX_BYTES = 16_000_000
MAX_EVENTS = 1_000_000
MAX_TICK = 2**40
TEXT, TRACK_NAME, MARKER, TEMPO, METER, KEY = 0x01, 0x03, 0x06, 0x51, 0x58, 0x59
_END_OF_TRACK = 0x2F
_META, _SYSEX, _SYSEX_MORE = 0xFF, 0xF0, 0xF7
# Data bytes after a status byte, by its upper half.
_DATA_BYTES = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}


@dataclass(frozen=True, slots=True)
class MetaEvent:
    """A text, tempo, metre or key.

    Attributes:
        tick: When.
        kind: One of this module's constants.
        data: Its bytes.
    """

    tick: int
    kind: int
    data: bytes

    @property
    def text(self) -> str:
        """The bytes as text."""
        return self.data.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class MidiNote:
    """A note.

    Attributes:
        start_tick: When it begins.
        end_tick: When it ends; not before it begins.
        pitch: 0 to 127.
        velocity: 1 to 127.
    """

    start_tick: int
    end_tick: int
    pitch: int
    velocity: int = 80


@dataclass(frozen=True, slots=True)
class MidiTrack:
    """One track.

    Attributes:
        metas: In order of their ticks.
        notes: In order of their starts.
        bends: Pitch bends as (tick, value from -8192 to 8191), in order.
        end_tick: Where the track ends.
        channel: That notes and bends are written to, 0 to 15.
    """

    metas: tuple[MetaEvent, ...] = ()
    notes: tuple[MidiNote, ...] = ()
    bends: tuple[tuple[int, int], ...] = ()
    end_tick: int = 0
    channel: int = 0

    @property
    def name(self) -> str:
        """The track's name; empty if it has none."""
        return next((meta.text for meta in self.metas if meta.kind == TRACK_NAME), "")


@dataclass(frozen=True, slots=True)
class MidiFile:
    """A whole file.

    Attributes:
        ticks_per_quarter: Resolution.
        tracks: At least one.
    """

    ticks_per_quarter: int
    tracks: tuple[MidiTrack, ...]


def parse_midi(content: bytes, name: str = "MIDI file") -> MidiFile:
    """Understand a Standard MIDI File of format 0 or 1.

    Args:
        content: The file's bytes; trailing chunks of other kinds are skipped.
        name: For error messages.

    Raises:
        DataError: If it is no such file, is damaged or too large, or counts time in frames (SMPTE).
    """
    try:
        return _parse(content)
    except _Damage as error:
        raise DataError(f"{name} cannot be read as MIDI: {error}") from error


def format_midi(file: MidiFile) -> bytes:
    """Return the bytes of a file of format 1."""
    head = struct.pack(">HHH", 1, len(file.tracks), file.ticks_per_quarter)
    chunks = [b"MThd", struct.pack(">I", len(head)), head]
    for track in file.tracks:
        body = _format_track(track)
        chunks += [b"MTrk", struct.pack(">I", len(body)), body]
    return b"".join(chunks)


class _Damage(Exception):
    """What is wrong with the bytes."""


def _parse(content: bytes) -> MidiFile:
    if len(content) > MAX_BYTES:
        raise _Damage(f"it has {len(content)} bytes; at most {MAX_BYTES}")
    if content[:4] != b"MThd":
        raise _Damage("it does not begin with MThd")
    head = _Bytes(content, 4)
    size = int.from_bytes(head.take(4))
    if size < 6:
        raise _Damage(f"its header has {size} bytes instead of 6")
    kind, _, division = struct.unpack(">HHH", head.take(size)[:6])
    if kind > 1:
        raise _Damage(f"format {kind} is not supported; save it as format 0 or 1")
    if division & 0x8000 or division == 0:
        raise _Damage("it counts time in film frames (SMPTE); save it with ticks per quarter note")
    tracks: list[MidiTrack] = []
    budget = _Budget()
    while not head.at_end:
        chunk = head.take(4)
        body = head.take(int.from_bytes(head.take(4)))
        if chunk == b"MTrk":
            tracks.append(_TrackReader(body, budget).read())
    if not tracks:
        raise _Damage("it has no tracks")
    return MidiFile(division, tuple(tracks))


@dataclass(slots=True)
class _Budget:
    events: int = MAX_EVENTS


class _Bytes:
    """A cursor that notices when bytes are missing."""

    def __init__(self, content: bytes, position: int = 0) -> None:
        self._content, self._position = content, position

    @property
    def at_end(self) -> bool:
        return self._position >= len(self._content)

    def take(self, count: int) -> bytes:
        end = self._position + count
        if end > len(self._content):
            raise _Damage(
                f"byte {self._position}: {count} bytes are announced, "
                f"{len(self._content) - self._position} are there"
            )
        piece = self._content[self._position : end]
        self._position = end
        return piece

    def peek(self) -> int:
        piece = self.take(1)
        self._position -= 1
        return piece[0]

    def number(self) -> int:
        """Return a quantity of variable length, at most four bytes long."""
        value = 0
        for _ in range(4):
            byte = self.take(1)[0]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        raise _Damage(f"byte {self._position}: a number is longer than four bytes")


class _TrackReader:
    """Collects the events of one track."""

    def __init__(self, body: bytes, budget: _Budget) -> None:
        self._bytes, self._budget = _Bytes(body), budget
        self._tick, self._status = 0, 0
        self._metas: list[MetaEvent] = []
        self._notes: list[MidiNote] = []
        self._bends: list[tuple[int, int]] = []
        self._open: dict[tuple[int, int], tuple[int, int]] = {}

    def read(self) -> MidiTrack:
        while not self._bytes.at_end:
            self._budget.events -= 1
            if self._budget.events < 0:
                raise _Damage(f"it has more than {MAX_EVENTS} events")
            self._tick += self._bytes.number()
            if self._tick > MAX_TICK:
                raise _Damage("its times are too large")
            if not self._event():
                break
        for channel, pitch in tuple(self._open):
            self._close(channel, pitch)
        notes = sorted(self._notes, key=lambda note: (note.start_tick, note.pitch))
        return MidiTrack(tuple(self._metas), tuple(notes), tuple(self._bends), self._tick)

    def _event(self) -> bool:
        """Take one event; False at the end of the track."""
        if self._bytes.peek() >= 0x80:
            status = self._bytes.take(1)[0]
        elif self._status:
            status = self._status
        else:
            raise _Damage("an event has no status")
        if status == _META:
            return self._meta()
        if status in (_SYSEX, _SYSEX_MORE):
            self._status = 0
            self._bytes.take(self._bytes.number())
        elif status >> 4 in _DATA_BYTES:
            self._status = status
            self._channel_event(status, self._bytes.take(_DATA_BYTES[status >> 4]))
        else:
            raise _Damage(f"status {status:#04x} has no place in a file")
        return True

    def _meta(self) -> bool:
        self._status = 0
        kind = self._bytes.take(1)[0]
        data = self._bytes.take(self._bytes.number())
        sizes = {TEMPO: 3, METER: 4, KEY: 2}
        if len(data) < sizes.get(kind, 0):
            raise _Damage(f"meta event {kind:#04x} has only {len(data)} bytes")
        if kind in (TEXT, TRACK_NAME, MARKER, TEMPO, METER, KEY):
            self._metas.append(MetaEvent(self._tick, kind, data))
        return kind != _END_OF_TRACK

    def _channel_event(self, status: int, data: bytes) -> None:
        if any(byte > 0x7F for byte in data):
            raise _Damage(f"event {status:#04x} has a status byte where data belong")
        kind, channel = status >> 4, status & 0xF
        if kind in (0x8, 0x9):
            self._close(channel, data[0])
            if kind == 0x9 and data[1] > 0:
                self._open[channel, data[0]] = (self._tick, data[1])
        elif kind == 0xE:
            self._bends.append((self._tick, data[0] + (data[1] << 7) - 8192))

    def _close(self, channel: int, pitch: int) -> None:
        if (channel, pitch) in self._open:
            start, velocity = self._open.pop((channel, pitch))
            self._notes.append(MidiNote(start, self._tick, pitch, velocity))


def _format_track(track: MidiTrack) -> bytes:
    parts, now = [], 0
    for tick, event in _events(track):
        parts += [_format_number(tick - now), event]
        now = tick
    parts += [_format_number(max(0, track.end_tick - now)), bytes((_META, _END_OF_TRACK, 0))]
    return b"".join(parts)


def _events(track: MidiTrack) -> Iterator[tuple[int, bytes]]:
    """Yield all events in order; at one tick notes end before others begin."""
    events: list[tuple[int, int, bytes]] = []
    for meta in track.metas:
        body = _format_number(len(meta.data)) + meta.data
        events.append((meta.tick, 0, bytes((_META, meta.kind)) + body))
    for tick, value in track.bends:
        events.append(
            (tick, 2, bytes((0xE0 | track.channel, value + 8192 & 0x7F, value + 8192 >> 7)))
        )
    for note in track.notes:
        events.append((note.end_tick, 1, bytes((0x80 | track.channel, note.pitch, 0))))
        events.append(
            (note.start_tick, 3, bytes((0x90 | track.channel, note.pitch, note.velocity)))
        )
    for tick, _, body in sorted(events, key=lambda event: event[:2]):
        yield tick, body


def _format_number(value: int) -> bytes:
    if value >= 1 << 28:
        raise DataError(f"a MIDI file cannot hold a wait of {value} ticks; shorten the song")
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))


def meta_texts(tracks: Sequence[MidiTrack], kind: int) -> tuple[MetaEvent, ...]:
    """Return all events of one kind in a file's tracks, by tick."""
    found = (meta for track in tracks for meta in track.metas if meta.kind == kind)
    return tuple(sorted(found, key=lambda meta: meta.tick))
